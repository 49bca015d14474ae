package main

import (
	"math/rand"
	"net/url"
	"strings"
)

// refs are claims of CI services, of which Fulcio makes URLs.
var refs = []string{
	"acme/app/.github/workflows/build.yml@refs/heads/main",
	"acme/app/.github/workflows/my build.yml@refs/heads/main",
	"acme/app/b.yml@refs/heads/fix/ü",
	"acme/app/b.yml@refs/heads/fix#12",
	"acme/app/b.yml@refs/heads/fix#ü 1",
	"acme/app/b.yml@refs/heads/fix#",
	"acme/app/b.yml@refs/heads/<x>",
	"acme/app/b.yml@refs/heads/100%",
	"acme/app/b.yml@refs/heads/a%20b",
	"acme/app/b.yml@refs/heads/a%20b c",
	"acme/app/b.yml@refs/heads/%c3%bc",
	"acme/app/b.yml@refs/heads/%c3%bcü",
	"acme/app/b.yml@refs/heads/(a)",
	"acme/app/b.yml@refs/heads/(a) b",
	"acme/app/b?.yml@refs/heads/main",
	"acme/app/b.yml?",
	"acme/app/b.yml??",
	"acme/app//.gitlab-ci.yml@refs/heads/main",
	"",
}

// pieces make claims by chance, the same ones each time.
var pieces = []string{
	"a", "Z", "0", "/", "%", "%41", "%c3%bc", "%2F", "%zz", "ü", "\u20ac", " ", "#", "?", "\x01", "\x7f", "\n",
	"!", "\"", "$", "&", "'", "(", ")", "*", "+", ",", "-", ".", ":", ";", "<", "=", ">", "@", "[", "\\", "]", "^",
	"_", "`", "{", "|", "}", "~",
}

// urls prints for each claim what URL.String makes of it behind a host, first if
// all of it is parsed (Fulcio's templates), then if it is joined as a path
// (`github-workflow`); null is an error. JoinPath would also clean the path of empty
// and dotted parts, which names of workflows and branches do not have.
func urls() error {
	all := refs
	for _, piece := range pieces {
		all = append(all, "x"+piece+"y", "x"+piece+" y", "x#"+piece, "x# "+piece)
	}
	chance := rand.New(rand.NewSource(1))
	for range 300 {
		var text strings.Builder
		for range 1 + chance.Intn(6) {
			text.WriteString(pieces[chance.Intn(len(pieces))])
		}
		all = append(all, text.String())
	}
	rows := make([][]*string, 0, len(all))
	for _, text := range all {
		rows = append(rows, []*string{&text, parsed(text), joined(text)})
	}
	return printTable(rows)
}

func parsed(text string) *string {
	found, err := url.Parse("https://h/" + text)
	if err != nil {
		return nil
	}
	written := found.String()
	return &written
}

// joined does what JoinPath does with a clean path: it sets Path and RawPath.
func joined(text string) *string {
	base := "https://h/"
	path, err := url.PathUnescape(text)
	if err != nil {
		return nil
	}
	found, err := url.Parse(base)
	if err != nil {
		return nil
	}
	found.Path, found.RawPath = "/"+path, "/"+text
	written := found.String()
	return &written
}
