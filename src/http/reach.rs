//! Where an answer may lead the client: by a redirect, an upload location, the
//! next page of a list, or the realm of a challenge. The rules come from attacks
//! on other clients: hosts made them ask their own network, and themselves
//! (WIRE-14, `spec/decisions/0014`).
//!
//! A host leads no further in than it lies itself. A name counts as public, and
//! the addresses behind it are looked at when it is resolved ([`Outward`]).

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::names::addresses;

/// How far in a host lies, the innermost last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Zone {
    Public,
    /// A private network.
    Private,
    /// The machine itself.
    Loopback,
    /// Good on one link only, or no host's at all. Clouds serve a machine's own
    /// credentials there; no registry lives there.
    Link,
}

impl Zone {
    /// By the URL alone: a name is public, but for `localhost` (RFC 6761).
    pub fn of(url: &Url) -> Self {
        match url.host() {
            Some(Host::Ipv4(address)) => Self::of_v4(address),
            Some(Host::Ipv6(address)) => Self::of_v6(address),
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                match name == "localhost" || name.ends_with(".localhost") {
                    true => Self::Loopback,
                    false => Self::Public,
                }
            }
            // No host to be asked at all.
            None => Self::Link,
        }
    }

    pub fn of_address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [127, ..] => Self::Loopback,
            // "This network" (RFC 791): Linux takes 0.0.0.0 for itself.
            [0, ..] | [169, 254, ..] | [255, 255, 255, 255] => Self::Link,
            // The metadata services of Alibaba, Oracle and Azure.
            [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => Self::Link,
            // Carriers and clouds share 100.64.0.0/10 among their own (RFC 6598).
            [100, 64..=127, ..] => Self::Private,
            _ if address.is_private() => Self::Private,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            [0, 0, 0, 0, 0, 0, 0, 0] => Self::Link,
            // An IPv4 address in the clothes of RFC 4291, 6052 or 3056.
            [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
            | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
            | [0x2002, high, low, ..] => {
                Self::of_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
            }
            // AWS's metadata service.
            [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Self::Link,
            [0xfe80..=0xfebf, ..] => Self::Link,
            [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Self::Private,
            _ => Self::Public,
        }
    }
}

/// The hosts that a request may connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Any host: the user named it, or the machine itself did.
    Any,
    /// Neither the machine itself nor its link, by whatever name: another host
    /// led there.
    Outward,
}

/// An address that an answer leads to, and may lead to.
#[derive(Clone, Debug)]
pub struct Lead {
    pub url: Url,
    pub(super) reach: Reach,
}

impl Lead {
    pub fn reach(&self) -> Reach {
        self.reach
    }
}

/// Why a host may not lead to an address.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Astray {
    #[error("it does not say where")]
    Nowhere,
    #[error("its target is no URL")]
    NoUrl,
    #[error("it redirects too often")]
    TooOften,
    #[error("to something that is not HTTP")]
    NotHttp,
    #[error("from HTTPS to plain HTTP")]
    Downgrade,
    #[error("in plain HTTP to another host")]
    PlainElsewhere,
    #[error("to a link-local address")]
    Link,
    #[error("from a public host into a private network")]
    Inside,
    #[error("from a private network to the signer's own loopback")]
    Loopback,
}

debug_as_display!(Astray);

/// Whether a host may send the client from `from` to `to`, by the URLs alone;
/// addresses behind a name are left to `Outward`.
///
/// # Errors
/// Says which rule it breaks.
pub fn check_target(from: &Url, to: &Url) -> Result<(), Astray> {
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => check_zones(from, to),
        ("https", "http") => Err(Astray::Downgrade),
        _ => Err(Astray::NotHttp),
    }
}

/// Whether a host may name another one, whatever the schemes. For realms, whose
/// schemes have rules of their own.
///
/// # Errors
/// Says which rule it breaks.
pub fn check_zones(from: &Url, to: &Url) -> Result<(), Astray> {
    // A user may name a registry anywhere; it may lead to itself.
    if from.host() == to.host() {
        return Ok(());
    }
    match (Zone::of(from), Zone::of(to)) {
        // Not from the machine itself either: credentials lie there.
        (_, Zone::Link) => Err(Astray::Link),
        (Zone::Public, Zone::Private | Zone::Loopback) => Err(Astray::Inside),
        (Zone::Private | Zone::Link, Zone::Loopback) => Err(Astray::Loopback),
        _ => Ok(()),
    }
}

/// Resolves the names that other hosts led to. Addresses of the machine itself
/// and of its link do not count. The addresses that it gives are those that are
/// connected to: a name cannot mean another one by then (DNS rebinding).
pub(super) struct Outward;

impl Resolve for Outward {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let mut found = addresses(name).await?;
            let first = found.first().map(|address| address.ip());
            found.retain(|address| Zone::of_address(address.ip()) < Zone::Loopback);
            match first {
                // Of a name with both kinds of addresses, those outside are
                // asked.
                Some(address) if found.is_empty() => Err(Inward { address }.into()),
                _ => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

/// A name that another host led to, and that resolves to the machine itself or
/// its link.
#[derive(Debug)]
pub(super) struct Inward {
    pub(super) address: IpAddr,
}

impl fmt::Display for Inward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its name stands for {}", self.address)
    }
}

impl Error for Inward {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str) -> Result<(), Astray> {
        check_target(&from.parse().unwrap(), &to.parse().unwrap())
    }

    #[test]
    fn schemes_only_get_better() {
        assert_eq!(check("https://r.io/a", "https://cdn.example/b"), Ok(()));
        assert_eq!(check("http://r.io/a", "https://r.io/b"), Ok(()));
        assert_eq!(
            check("http://127.0.0.1:1/a", "http://127.0.0.1:2/b"),
            Ok(())
        );
        assert_eq!(
            check("https://r.io/a", "http://r.io/a"),
            Err(Astray::Downgrade)
        );
        for target in ["file:///etc/passwd", "ftp://r.io/a", "data:,a"] {
            assert_eq!(check("https://r.io/a", target), Err(Astray::NotHttp));
        }
    }

    /// The loopback address in all spellings.
    const LOOPBACK: [&str; 14] = [
        "127.0.0.1",
        "127.1",
        "127.255.3.4",
        "2130706433",
        "0x7f.1",
        "0177.0.0.01",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::1]",
    ];
    const PRIVATE: [&str; 7] = [
        "10.0.0.1",
        "172.31.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "[fd00::1]",
        "[fec0::1]",
        "[::ffff:10.0.0.1]",
    ];
    const LINK: [&str; 12] = [
        "169.254.169.254",
        "0xa9fea9fe",
        "0.0.0.0",
        "0.0.0.1",
        "255.255.255.255",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "[::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
    ];

    #[test]
    fn a_host_leads_no_further_in_than_it_lies() {
        let may =
            |from: &str, to: &str| check(&format!("https://{from}/"), &format!("https://{to}/"));
        for target in LOOPBACK {
            assert_eq!(may("r.io", target), Err(Astray::Inside), "{target}");
            assert_eq!(may("10.0.0.1", target), Err(Astray::Loopback), "{target}");
            assert_eq!(may("[fd00::1]", target), Err(Astray::Loopback), "{target}");
            assert_eq!(may("127.0.0.1", target), Ok(()), "{target}");
            assert_eq!(may("localhost", target), Ok(()), "{target}");
            assert_eq!(may(target, "10.0.0.1"), Ok(()), "{target}");
        }
        for target in PRIVATE {
            assert_eq!(may("r.io", target), Err(Astray::Inside), "{target}");
            assert_eq!(may("10.0.0.2", target), Ok(()), "{target}");
            assert_eq!(may("127.0.0.1", target), Ok(()), "{target}");
        }
        for target in LINK {
            for from in ["r.io", "10.0.0.1", "127.0.0.1", "localhost", "169.254.1.1"] {
                assert_eq!(may(from, target), Err(Astray::Link), "{from} {target}");
            }
            assert_eq!(may(target, target), Ok(()));
            assert_eq!(may(target, "localhost"), Err(Astray::Loopback), "{target}");
        }
        for target in ["r.example", "8.8.8.8", "[2001:db8::1]", "[::ffff:8.8.8.8]"] {
            for from in ["r.io", "10.0.0.1", "localhost", "169.254.1.1"] {
                assert_eq!(may(from, target), Ok(()), "{from} {target}");
            }
        }
    }

    async fn resolved(name: &str) -> Result<Vec<IpAddr>, String> {
        let found = Outward.resolve(name.parse().unwrap()).await;
        let found = found.map_err(|error| error.to_string())?;
        Ok(found.map(|address| address.ip()).collect())
    }

    #[tokio::test]
    async fn a_name_that_means_the_machine_itself_has_no_address_for_others() {
        let refused = resolved("localhost").await.unwrap_err();
        assert!(refused.contains("its name stands for"), "{refused}");
        // Where the URL does not spell an address, the system still reads the
        // name as one.
        assert!(resolved("169.254.169.254").await.is_err());
        let outside = resolved("192.0.2.1").await;
        assert_eq!(outside, Ok(vec!["192.0.2.1".parse().unwrap()]));
    }
}
