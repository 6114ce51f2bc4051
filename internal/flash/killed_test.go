package flash

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"bty/internal/disk/looptest"
)

// killedChild makes this program one that flashes: source and disk, with a blank between them.
const killedChild = "BTY_TEST_FLASH"

func TestMain(m *testing.M) {
	args := strings.Fields(os.Getenv(killedChild))
	if len(args) != 2 {
		os.Exit(m.Run())
	}
	if _, err := Run(context.Background(), Request{Source: args[0], Target: args[1]}, nil); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// awaitWiped waits until the disk has lost its first block.
func awaitWiped(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	until := time.Now().Add(time.Minute)
	for b := []byte{oldByte}; b[0] != 0; time.Sleep(5 * time.Millisecond) {
		if _, err := f.ReadAt(b, 0); err != nil || time.Now().After(until) {
			t.Fatalf("the flash does not begin: %v", err)
		}
	}
}

// The power goes, or the program is killed: the disk does not boot, whatever was written of it.
func TestKilled(t *testing.T) {
	img := picture(48*mib, 1)
	for _, at := range []int{headSize + mib, 20 * mib, len(img) - 1} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			path, file := used(t, 48*mib, looptest.Options{})
			reached := make(chan struct{})
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(len(img)))
				w.Write(img[:at])
				http.NewResponseController(w).Flush()
				close(reached)
				<-r.Context().Done()
			}))
			defer srv.Close()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), killedChild+"="+srv.URL+"/a.img "+path)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-reached
			awaitWiped(t, file)
			time.Sleep(50 * time.Millisecond) // what was sent is being written
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			cmd.Wait()
			unbootable(t, file)
		})
	}
}
