package store

import "strings"

// word stands for a text that rows of the index share.
type word uint32

// words keeps each text once, as long as a row has it.
type words struct {
	known map[string]word
	texts []string
	uses  []uint32
	after []word // of each, what was taken with it last
	free  []word
}

func newWords() words { return words{known: map[string]word{}} }

// take returns the word for a text, for one more row.
func (w *words) take(text string) word {
	id, known := w.known[text]
	switch {
	case known:
		w.uses[id]++
		return id
	case len(w.free) > 0:
		id = w.free[len(w.free)-1]
		w.free = w.free[:len(w.free)-1]
		w.texts[id], w.uses[id] = text, 1
	default:
		id = word(len(w.texts))
		w.texts, w.uses, w.after = append(w.texts, text), append(w.uses, 1), append(w.after, 0)
	}
	w.known[text] = id
	return id
}

// takeWith is take for a text that comes with the same other one again and again, as a summary with its
// machine: with many machines it is found sooner there than by itself.
func (w *words) takeWith(other word, text string) word {
	if id := w.after[other]; text != "" && w.texts[id] == text { // what no row has is ""
		w.uses[id]++
		return id
	}
	id := w.take(text)
	w.after[other] = id
	return id
}

// drop says that a row has the word no longer.
func (w *words) drop(id word) {
	if w.uses[id]--; w.uses[id] > 0 {
		return
	}
	delete(w.known, w.texts[id])
	w.texts[id] = ""
	w.free = append(w.free, id)
}

// containing marks the words from one on that hold needle, which is in lower case, at most limit
// of them, and returns where to go on.
func (w *words) containing(needle string, from, limit int, marked []bool) (_ []bool, next int) {
	end := min(len(w.texts), from+limit)
	for _, text := range w.texts[from:end] {
		marked = append(marked, strings.Contains(strings.ToLower(text), needle))
	}
	return marked, end
}
