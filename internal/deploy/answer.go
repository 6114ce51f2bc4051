package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// answerTime is how long the first answer may take. Containers and large databases take seconds.
const answerTime = time.Minute

// checkAnswer asks bty-web as a machine would, which starts it, and waits until it can work.
func checkAnswer(s Site, port int, words func(context.Context) string) Action {
	return action(func(ctx context.Context, e *Engine) error {
		web := service("bty-web")
		// A socket may be bound to the address of the site alone.
		urls := []string{fmt.Sprintf("http://127.0.0.1:%d%s", port, web.Request), s.url(port, web.Request)}
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		before := e.restarts(ctx, web.Unit)
		for {
			last := askAny(ctx, urls)
			if last == nil {
				return nil
			}
			if n := e.restarts(ctx, web.Unit) - before; n >= enoughRestarts {
				return fmt.Errorf("bty-web ended %d times since it was asked: %w\n%s", n, last, words(ctx))
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("bty-web does not answer: %w\n%s", last, words(context.WithoutCancel(ctx)))
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
}

// enoughRestarts are more than a port or a lock that is still held would explain.
const enoughRestarts = 4

// restarts is how often systemd has started a unit anew; 0 where there is no systemd to ask.
func (e *Engine) restarts(ctx context.Context, unit string) int {
	report, err := e.Manager.Look(ctx, unit)
	if err != nil || len(report.Units) == 0 {
		return 0
	}
	return report.Units[0].Restarts
}

// askAny is done with the first that answers well.
func askAny(ctx context.Context, urls []string) error {
	var errs []error
	for _, url := range urls {
		err := ask(ctx, url)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func ask(ctx context.Context, url string) error {
	const patience = 2 * time.Second // for one question; then it is seen whether it still runs
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy of the environment
	answer, err := client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	const enough = 500
	said, _ := io.ReadAll(io.LimitReader(answer.Body, enough)) // what there is of it
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", url, answer.Status, said)
	}
	return nil
}

// webWords are what bty-web said last.
func (s Site) webWords(ctx context.Context) string {
	return lastWords(ctx, s.Manager(), service("bty-web").Unit)
}
