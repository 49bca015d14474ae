// Command go-rules prints what Go decides where the signer has to decide
// likewise: `proxies` which proxy a URL is asked through, `certificates` which
// chains of certificates a client accepts, with the chains, and `urls` how a URL
// is written that was parsed.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
)

func main() {
	if urls := os.Getenv(urlsOfChild); urls != "" {
		decide(urls)
		return
	}
	if len(os.Args) != 2 {
		log.Fatal("usage: go-rules proxies|certificates|urls")
	}
	var err error
	switch os.Args[1] {
	case "proxies":
		err = proxies()
	case "certificates":
		err = certificates()
	case "urls":
		err = urls()
	default:
		log.Fatalf("unknown table %q", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

// printTable writes a table as JSON, one row a line.
func printTable[T any](rows []T) error {
	fmt.Println("[")
	for index, row := range rows {
		line, err := json.Marshal(row)
		if err != nil {
			return err
		}
		separator := ","
		if index == len(rows)-1 {
			separator = ""
		}
		fmt.Printf("%s%s\n", line, separator)
	}
	fmt.Println("]")
	return nil
}
