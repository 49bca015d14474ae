package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
)

// urlsOfChild names the variable with the URLs that a child decides on: Go
// reads the environment once in a process.
const urlsOfChild = "GO_RULES_URLS"

const proxy = "http://proxy.example:3128"

// hosts are asked with every value of NO_PROXY.
var hosts = []string{
	"https://registry.corp.example",
	"https://corp.example",
	"https://a.registry.corp.example:5000",
	"https://evilcorp.example",
	"https://registry.corp.example.",
	"https://registry.corp.example:443",
	"https://registry.corp.example:5000",
	"http://registry.corp.example",
	"https://10.1.2.3",
	"https://10.1.2.3:5000",
	"https://10.1.2.4:5000",
	"https://[2001:db8::1]",
	"https://[2001:db8::1]:5000",
	"https://[::ffff:10.1.2.3]:5000",
	"https://xn--mnchen-3ya.example",
	"https://registry",
	"https://localhost",
	"https://localhost:5000",
	"https://registry.localhost",
	"https://127.0.0.1:5000",
	"https://127.9.9.9",
	"https://[::1]:5000",
	"https://0.0.0.0:5000",
}

var exceptions = []string{
	"", "*", " * ", "other,*", "*,other", "**", "*corp.example",
	"corp.example", ".corp.example", "*.corp.example", "CORP.example", " corp.example ", "\tcorp.example",
	"corp.example.", "corp.example:443", "corp.example:5000", ".corp.example:443", "*.corp.example:443",
	"*.corp.example:5000", "registry.corp.example:443", "registry.corp.example:80", "registry.corp.example:",
	"corp.example:https", "corp.example, other", "other ,corp.example", "other corp.example", ",,corp.example,,",
	"registry", "example", ".", "*.", ":443", "http://corp.example", "corp.example/path", "user@corp.example",
	"10.1.2.3", "10.1.2.3:5000", "10.1.2.3:443", "10.1.2.0/24", "10.1.2.0/24:5000", "10.0.0.0/8", "10.1.2.3/32",
	"10.1.2.3/33", "10.1.2.3/-1", "10.1.2.3/+8", "10.1.2.3/08", "10.1.2", "10.1.2.", "10.1.2.*", "010.1.2.3",
	"0.0.0.0/0", "::ffff:10.1.2.3", "::ffff:10.1.2.0/120", "::/0", "2001:db8::1", "[2001:db8::1]",
	"[2001:db8::1]:5000", "2001:db8::/32", "2001:DB8::1", "2001:db8:0:0:0:0:0:1", "[2001:db8::]/32",
	"münchen.example", "MÜNCHEN.example", ".example", "127.0.0.1", "localhost",
}

// values of HTTPS_PROXY.
var values = []string{
	"proxy.example", "proxy.example:3128", "10.9.9.9:3128", "user:password@proxy.example:3128",
	"http://proxy.example", "HTTP://proxy.example:3128", "https://proxy.example", "https://proxy.example:8443",
	"socks5://proxy.example", "socks5h://proxy.example:1080", "socks5://user:p%40ss@proxy.example",
	"http://user:p%40ss@proxy.example:3128", "[2001:db8::9]:3128", "http://[2001:db8::9]:3128",
}

func proxies() error {
	fmt.Println("# Made by acceptance/tools/go-rules. Variables, URL, and what Go 1.26 asks: a proxy, nobody (direct), or an error.")
	for _, list := range exceptions {
		both := []string{"HTTP_PROXY=" + proxy, "HTTPS_PROXY=" + proxy, "NO_PROXY=" + list}
		if err := ask(both, hosts); err != nil {
			return err
		}
	}
	one := []string{"https://registry.corp.example"}
	for _, value := range values {
		if err := ask([]string{"HTTPS_PROXY=" + value}, one); err != nil {
			return err
		}
	}
	both := []string{"https://registry.corp.example", "http://registry.corp.example"}
	for _, variables := range [][]string{
		{"https_proxy=http://lower.example"},
		{"https_proxy=http://lower.example", "HTTPS_PROXY=http://upper.example"},
		{"https_proxy=http://lower.example", "HTTPS_PROXY="},
		{"http_proxy=http://lower.example", "HTTP_PROXY=http://upper.example"},
		{"HTTPS_PROXY=" + proxy, "no_proxy=corp.example", "NO_PROXY=other"},
		{"HTTPS_PROXY=" + proxy, "no_proxy=corp.example", "NO_PROXY="},
		{"ALL_PROXY=" + proxy, "all_proxy=" + proxy},
		{"HTTP_PROXY=" + proxy, "HTTPS_PROXY=" + proxy, "REQUEST_METHOD=GET"},
		{"http_proxy=" + proxy, "REQUEST_METHOD=GET"},
		{"http_proxy=" + proxy, "REQUEST_METHOD="},
	} {
		if err := ask(variables, both); err != nil {
			return err
		}
	}
	return nil
}

// ask prints a line for each URL.
func ask(variables, urls []string) error {
	child := exec.Command(os.Args[0])
	child.Env = append(variables, urlsOfChild+"="+strings.Join(urls, "\n"))
	child.Stderr = os.Stderr
	decisions, err := child.Output()
	if err != nil {
		return err
	}
	for _, decision := range strings.Split(strings.TrimSpace(string(decisions)), "\n") {
		fmt.Printf("%s\t%s\n", strings.Join(variables, "|"), decision)
	}
	return nil
}

// decide prints each URL with its proxy.
func decide(urls string) {
	for _, text := range strings.Split(urls, "\n") {
		parsed, err := url.Parse(text)
		if err != nil {
			fmt.Printf("%s\tno URL\n", text)
			continue
		}
		found, err := http.ProxyFromEnvironment(&http.Request{URL: parsed})
		switch {
		case err != nil:
			fmt.Printf("%s\terror\n", text)
		case found == nil:
			fmt.Printf("%s\tdirect\n", text)
		default:
			fmt.Printf("%s\t%s\n", text, found)
		}
	}
}
