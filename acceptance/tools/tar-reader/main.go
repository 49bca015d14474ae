// Command tar-reader says what Go's archive/tar reads from archives, as the
// lifecycle and pack do: for each file that its standard input names, one line
// of JSON.
package main

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
)

type entry struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	SHA256 string `json:"sha256"`
}

type archive struct {
	Entries []entry `json:"entries"`
	Error   string  `json:"error"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if err := output.Encode(read(lines.Text())); err != nil {
			log.Fatal(err)
		}
	}
}

func read(path string) archive {
	file, err := os.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	found := archive{Entries: []entry{}}
	reader := tar.NewReader(file)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			found.Error = err.Error()
			return found
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, reader); err != nil {
			found.Error = err.Error()
			return found
		}
		found.Entries = append(found.Entries, entry{
			Name:   header.Name,
			Kind:   string(header.Typeflag),
			SHA256: hex.EncodeToString(hash.Sum(nil)),
		})
	}
}
