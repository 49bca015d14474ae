//! Trusted roots and signing configs of sigstore: whose word counts, and which services
//! are asked (`spec/evidence.md`, "Trust").
//!
//! Both are the user's own files. Nothing is fetched to complete them: there is no TUF
//! client here, and a file that is out of date is refused or says so by its periods.

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod root;
pub mod signing_config;
mod validity;

pub use validity::Validity;

/// The most bytes of either file: those of the public instance have under 10 KB.
pub const MAX_LENGTH: usize = 1024 * 1024;
/// The most entries of one kind in either file.
pub const MAX_ENTRIES: usize = 64;

/// The host of an address of a trusted root, as Go's `URL.Hostname` has it: in the case in
/// which it is written, without port and brackets. The address may lack its scheme.
pub fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(host, _)| host),
    }
}

/// Text of a file, fit to print: cut, with control characters escaped.
fn shown(text: &str) -> String {
    const LONGEST: usize = 100;
    text.chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn the_host_of_an_address_is_the_one_that_go_reads() {
        for (address, expected) in [
            ("https://h:1/p", "h"),
            ("http://Log.Example:3003", "Log.Example"),
            ("http://[::1]:1/", "::1"),
            ("https://user@h/", "h"),
            ("https://h?q", "h"),
            ("h/p", "h"),
            ("h:1", "h"),
            ("", ""),
        ] {
            assert_eq!(host(address), expected, "{address}");
        }
    }
}
