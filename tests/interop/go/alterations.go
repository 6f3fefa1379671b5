package main

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// AlteredEntries calls try with the entry altered in one place: one bit of each byte of its leaf,
// every bit of its index, of its hashes, and of the checkpoint it rests on.
func AlteredEntries(entry Entry, try func(what string, altered Entry)) {
	for i := range entry.Leaf {
		try("leaf", Entry{flipped(entry.Leaf, i*8+i%8), entry.Proof})
	}
	try("leaf cut", Entry{entry.Leaf[:len(entry.Leaf)-1], entry.Proof})
	head, signed, _ := strings.Cut(entry.Proof, "\n\n")
	lines := strings.Split(head, "\n")
	prove := func(index string, path []string, signed string) Entry {
		joined := strings.Join(append([]string{lines[0], index}, path...), "\n")
		return Entry{entry.Leaf, joined + "\n\n" + signed}
	}
	var index int64
	fmt.Sscanf(lines[1], "index %d", &index)
	for bit := 0; bit < 64; bit++ {
		try("index", prove(fmt.Sprintf("index %d", index^(1<<bit)), lines[2:], signed))
	}
	alteredPaths(lines[2:], func(what string, path []string) {
		try(what, prove(lines[1], path, signed))
	})
	alteredNotes(signed, func(what, altered string) {
		try(what, prove(lines[1], lines[2:], altered))
	})
}

// AlteredHistories calls try with the history altered in one place, or turned around.
func AlteredHistories(history History, try func(what string, altered History)) {
	alteredPaths(history.Hashes, func(what string, path []string) {
		try(what, History{history.Old, history.New, path})
	})
	alteredNotes(history.Old, func(what, altered string) {
		try("old "+what, History{altered, history.New, history.Hashes})
	})
	alteredNotes(history.New, func(what, altered string) {
		try("new "+what, History{history.Old, altered, history.Hashes})
	})
	try("turned around", History{history.New, history.Old, history.Hashes})
}

// alteredPaths flips every bit of every hash, leaves out each, doubles each, and swaps neighbours.
func alteredPaths(path []string, try func(what string, altered []string)) {
	for i, encoded := range path {
		hash, _ := base64.StdEncoding.DecodeString(encoded)
		for bit := 0; bit < len(hash)*8; bit++ {
			altered := append([]string{}, path...)
			altered[i] = base64.StdEncoding.EncodeToString([]byte(flipped(string(hash), bit)))
			try("hash", altered)
		}
		without := append(append([]string{}, path[:i]...), path[i+1:]...)
		try("hash left out", without)
		try("hash doubled", append(append(append([]string{}, path[:i]...), encoded), path[i:]...))
		if i > 0 {
			swapped := append([]string{}, path...)
			swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
			try("hashes swapped", swapped)
		}
	}
	try("hash added", append(append([]string{}, path...), base64.StdEncoding.EncodeToString(make([]byte, 32))))
}

// alteredNotes flips every bit of the text, which holds origin, size and root, and of the signature
// with the key's id before it; and claims other sizes.
func alteredNotes(signed string, try func(what, altered string)) {
	end := strings.LastIndex(signed, "\n\n") + 1
	text, signature := signed[:end], strings.TrimSuffix(signed[end+1:], "\n")
	for bit := 0; bit < len(text)*8; bit++ {
		try("note", flipped(text, bit)+"\n"+signature+"\n")
	}
	space := strings.LastIndex(signature, " ") + 1
	decoded, _ := base64.StdEncoding.DecodeString(signature[space:])
	for bit := 0; bit < len(decoded)*8; bit++ {
		altered := base64.StdEncoding.EncodeToString([]byte(flipped(string(decoded), bit)))
		try("signature", text+"\n"+signature[:space]+altered+"\n")
	}
	lines := strings.Split(text, "\n")
	var size int64
	fmt.Sscanf(lines[1], "%d", &size)
	for _, claimed := range []int64{0, size - 1, size + 1, size * 2} {
		altered := append([]string{}, lines...)
		altered[1] = fmt.Sprint(claimed)
		try("size", strings.Join(altered, "\n")+"\n"+signature+"\n")
	}
	try("signature left out", text+"\n")
}

// AlteredKeys flips every bit of the key itself, behind its name and its id.
func AlteredKeys(key string, try func(what, altered string)) {
	plus := len(key) - len(strings.SplitN(key, "+", 3)[2])
	decoded, _ := base64.StdEncoding.DecodeString(key[plus:])
	for bit := 0; bit < len(decoded)*8; bit++ {
		altered := base64.StdEncoding.EncodeToString([]byte(flipped(string(decoded), bit)))
		try("key", key[:plus]+altered)
	}
}

func flipped(text string, bit int) string {
	bytes := []byte(text)
	bytes[bit/8] ^= 1 << (bit % 8)
	return string(bytes)
}
