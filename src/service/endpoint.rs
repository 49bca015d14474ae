//! Endpoints of services that a variable names. Redirects and other hosts' words
//! have stricter rules (`http::reach`): here the user says where to go.

use tracing::warn;
use url::Url;

use crate::http::Zone;

/// The URL of a service as the user wrote it, with a slash at its end: paths are
/// joined to it. Plain HTTP is the user's own choice, and a warning unless the
/// service is on this machine. A user and a password have no place in it: URLs
/// are printed.
///
/// # Errors
/// On a text that is no URL of a service; with the reason.
pub fn parse_endpoint(text: &str) -> Result<Url, &'static str> {
    let mut url: Url = text.parse().map_err(|_| "it is no URL")?;
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    match url.scheme() {
        "https" | "http" if is_bare => {}
        "https" | "http" => return Err("it has more than a host and a path"),
        _ => return Err("it is not HTTP"),
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    if url.scheme() == "http" && Zone::of(&url) != Zone::Loopback {
        let host = url.origin().ascii_serialization();
        warn!("{host} is used without TLS, and is shown credentials");
    }
    Ok(url)
}

/// `host:port`, without a port that is its scheme's.
pub fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_endpoint_ends_with_a_slash() {
        let endpoint = |text| super::parse_endpoint(text).map(String::from);
        assert_eq!(
            endpoint("http://127.0.0.1:1"),
            Ok("http://127.0.0.1:1/".into())
        );
        assert_eq!(endpoint("https://h/a"), Ok("https://h/a/".into()));
        for text in [
            "h",
            "ftp://h/",
            "https://u:p@h/",
            "https://h/?a=b",
            "https://h/#a",
        ] {
            assert!(endpoint(text).is_err(), "{text}");
        }
    }
}
