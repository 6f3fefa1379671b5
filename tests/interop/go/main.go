package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Reads evidence as JSON from standard input. Accepts it as it is, then alters it in every place and
// rejects that; prints what it counted. Exits with 1 at the first thing that it finds otherwise.
func main() {
	var evidence Evidence
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&evidence); err != nil {
		fail("the evidence cannot be read: %v", err)
	}
	key := strings.TrimSuffix(evidence.Key, "\n")
	accepted, rejected := map[string]int{}, map[string]int{}
	accept := func(what string, err error) {
		if err != nil {
			fail("refused: %s: %v", what, err)
		}
		accepted[what]++
	}
	reject := func(what string, err error) {
		if err == nil {
			fail("accepted, though altered: %s", what)
		}
		rejected[what]++
	}
	for _, entry := range evidence.Entries {
		accept("entry", CheckEntry(key, entry))
		AlteredEntries(entry, func(what string, altered Entry) {
			reject(what, CheckEntry(key, altered))
		})
	}
	AlteredKeys(key, func(what, altered string) {
		reject(what, CheckEntry(altered, evidence.Entries[0]))
	})
	for _, history := range evidence.Histories {
		accept("history", CheckHistory(key, history))
		accept("tree", CheckTree(key, evidence.Entries, history.Old))
		accept("tree", CheckTree(key, evidence.Entries, history.New))
		AlteredHistories(history, func(what string, altered History) {
			reject(what, CheckHistory(key, altered))
		})
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"accepted": accepted, "rejected": rejected})
}

func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(1)
}
