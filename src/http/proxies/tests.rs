use std::collections::BTreeMap;

use super::*;

fn variable(name: &'static str, value: &str) -> ProxyVariable {
    let value = value.to_owned().into();
    ProxyVariable { name, value }
}

/// The proxies of an environment that is written `NAME=value|NAME=value`.
fn proxies(written: &str) -> Proxies {
    let variables = written.split('|').filter_map(|one| one.split_once('='));
    let variables: BTreeMap<_, _> = variables.filter(|(_, value)| !value.is_empty()).collect();
    let of = |names: [&'static str; 2]| {
        let mut found = names
            .iter()
            .filter_map(|name| Some((*name, *variables.get(name)?)));
        found.next()
    };
    let proxy = |names| of(names).map(|(name, value)| variable(name, value));
    Proxies {
        http: proxy(["HTTP_PROXY", "http_proxy"]),
        https: proxy(["HTTPS_PROXY", "https_proxy"]),
        none: of(["NO_PROXY", "no_proxy"]).map(|(_, value)| value.into()),
        is_cgi: variables.contains_key("REQUEST_METHOD"),
    }
}

/// As in Go's table: a proxy, `direct` or `error`.
fn decision(proxies: &Proxies, url: &str) -> String {
    match proxies.of(&url.parse().unwrap()) {
        Err(_) => "error".to_owned(),
        Ok(None) => "direct".to_owned(),
        Ok(Some(proxy)) => proxy.url().unwrap().to_string(),
    }
}

/// SIG-63. Go's own decisions: `acceptance/tools/go-rules`.
#[test]
fn proxies_are_found_as_go_finds_them() {
    let table = include_str!("../../../testdata/go-rules/proxies.txt");
    let mut count = 0;
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<_> = line.split('\t').collect();
        // A value of `NO_PROXY` may begin with a tab.
        let (expected, url) = (cells[cells.len() - 1], cells[cells.len() - 2]);
        let variables = cells[..cells.len() - 2].join("\t");
        let expected = match expected {
            "direct" | "error" => expected.to_owned(),
            // Both mean the same to Go.
            proxy => {
                let proxy = proxy.replace("socks5://", "socks5h://");
                Url::parse(&proxy).unwrap().to_string()
            }
        };
        let found = decision(&proxies(&variables), url);
        assert_eq!(found, expected, "`{variables}` {url}");
        count += 1;
    }
    assert!(count > 1500, "{count}");
}

/// SIG-64
#[test]
fn a_proxy_that_is_none_is_refused_without_a_word_of_it() {
    for value in [
        "ftp://user:canary@proxy.example",
        "socks4://user:canary@proxy.example:1080",
        "socks://canary",
        "canary://proxy.example",
        "http://",
        "http://user:canary@",
        "user:can/ary@proxy.example:3128",
        "http://user:canary@proxy.example:port",
        "http://[canary",
        "://canary",
        " ",
        "unix:///canary",
    ] {
        let reason = variable("HTTPS_PROXY", value).url().unwrap_err();
        assert!(!reason.contains("canary"), "{value}: {reason}");
    }
    let bytes = ProxyVariable {
        name: "HTTPS_PROXY",
        value: Secret::new(b"http://\xff".to_vec()),
    };
    assert!(bytes.url().is_err());
}

#[test]
fn plain_http_keeps_its_proxy_to_itself_below_a_web_server() {
    let proxies = proxies("HTTP_PROXY=http://proxy.example|REQUEST_METHOD=GET");
    let url = "http://registry.example".parse().unwrap();
    let error = proxies.of(&url).unwrap_err().to_string();
    assert!(
        error.contains("HTTP_PROXY") && error.contains("REQUEST_METHOD"),
        "{error}"
    );
}
