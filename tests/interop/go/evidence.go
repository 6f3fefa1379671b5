// Checks what a Strongroom log claims with the implementation of transparency logs that Go uses for
// its own modules: golang.org/x/mod/sumdb, written by others, from the same documents.
package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Evidence is what anyone in a tenant can ask the API for, as it was answered.
type Evidence struct {
	Key       string    // GET /v1/audit/key
	Entries   []Entry   // GET /v1/audit/events/{id}/proof, in the order of the log, none left out
	Histories []History // GET /v1/audit/consistency, with the checkpoints at both ends
}

// Entry is a leaf, and the proof of it in the form of c2sp.org/tlog-proof.
type Entry struct{ Leaf, Proof string }

// History claims that the tree of one checkpoint begins with the tree of another.
type History struct {
	Old, New string
	Hashes   []string
}

type checkpoint struct {
	size int64
	root tlog.Hash
}

// CheckEntry says what is wrong with an entry; nil when its leaf is in the tree that key signed.
func CheckEntry(key string, entry Entry) error {
	head, signed, found := strings.Cut(entry.Proof, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil || lines[1] != fmt.Sprintf("index %d", index) {
		return errors.New("no index")
	}
	path, err := hashes(lines[2:])
	if err != nil {
		return err
	}
	tree, err := open(key, signed)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, tree.size, tree.root, index, tlog.RecordHash([]byte(entry.Leaf)))
}

// CheckHistory says what is wrong with a history; nil when nothing was rewritten in between.
func CheckHistory(key string, history History) error {
	old, err := open(key, history.Old)
	if err != nil {
		return err
	}
	later, err := open(key, history.New)
	if err != nil {
		return err
	}
	path, err := hashes(history.Hashes)
	if err != nil {
		return err
	}
	return tlog.CheckTree(path, later.size, later.root, old.size, old.root)
}

// CheckTree builds the tree over the leaves anew, and compares it with what a checkpoint says.
func CheckTree(key string, entries []Entry, signed string) error {
	claimed, err := open(key, signed)
	if err != nil {
		return err
	}
	if claimed.size > int64(len(entries)) {
		return errors.New("the checkpoint covers more leaves than were shown")
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		read := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			read[i] = stored[index]
		}
		return read, nil
	})
	for i := int64(0); i < claimed.size; i++ {
		grown, err := tlog.StoredHashes(i, []byte(entries[i].Leaf), reader)
		if err != nil {
			return err
		}
		stored = append(stored, grown...)
	}
	root, err := tlog.TreeHash(claimed.size, reader)
	if err != nil {
		return err
	}
	if root != claimed.root {
		return errors.New("the leaves have another root")
	}
	return nil
}

// open returns the checkpoint in a note that key signed. (tlog.ParseTree would do, were it not for
// the one log whose name it insists on.)
func open(key, signed string) (checkpoint, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return checkpoint{}, err
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		return checkpoint{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return checkpoint{}, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return checkpoint{}, errors.New("no size")
	}
	root, err := tlog.ParseHash(lines[2])
	return checkpoint{size: size, root: root}, err
}

func hashes(encoded []string) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(encoded))
	for i, each := range encoded {
		decoded, err := base64.StdEncoding.Strict().DecodeString(each)
		if err != nil || len(decoded) != tlog.HashSize {
			return nil, errors.New("not a hash")
		}
		copy(found[i][:], decoded)
	}
	return found, nil
}
