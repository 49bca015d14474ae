//! The fields of a certificate that Go's rules ask for and `rustls-webpki` keeps
//! to itself (RFC 5280, as `crypto/x509` of Go 1.26 reads it).
//!
//! Nothing is verified here. `rustls-webpki` parses the same bytes, so that a
//! certificate is accepted only if both readers take it for one.

use std::net::IpAddr;
use std::time::Duration;

use pkcs8::der::asn1::{GeneralizedTime, ObjectIdentifier, UtcTime};
use pkcs8::der::{AnyRef, Decode, Error, Reader, SliceReader, Tag, TagNumber, Tagged};
use rustls::pki_types::ServerName;

use crate::signature::oid::{
    ALTERNATIVE_NAME, BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, KEY_USAGE, UNDERSTOOD,
};

const KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const SERVER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
/// The bit `keyCertSign`, in the first octet of the bits.
const SIGNS_CERTIFICATES: u8 = 0x04;

const VERSION: TagNumber = TagNumber(0);
const EXTENSIONS: TagNumber = TagNumber(3);
const DNS_NAME: TagNumber = TagNumber(2);
const IP_ADDRESS: TagNumber = TagNumber(7);

/// A certificate, with the fields that Go's rules look at.
pub(super) struct ServerCertificate<'a> {
    der: &'a [u8],
    /// The bytes that are signed.
    pub(super) signed: &'a [u8],
    /// 1 to 3.
    version: u8,
    /// As it is encoded: names are compared byte by byte, as Go does.
    subject: &'a [u8],
    public_key: &'a [u8],
    alternative_name: Option<&'a [u8]>,
    /// Since 1970.
    not_before: Duration,
    not_after: Duration,
    basic_constraints: Option<BasicConstraints<'a>>,
    /// The first octet of its bits. None: it may be used for anything.
    key_usage: Option<u8>,
    /// Of `extendedKeyUsage`. Empty: for anything.
    purposes: Vec<ObjectIdentifier>,
    dns_names: Vec<&'a [u8]>,
    addresses: Vec<IpAddr>,
    /// A reader that does not understand a critical extension has to refuse the
    /// certificate (RFC 5280, section 4.2).
    has_unknown_critical: bool,
}

struct BasicConstraints<'a> {
    /// The octet of `cA`, if it is true.
    authority: Option<&'a [u8]>,
    path_length: Option<u64>,
}

impl<'a> ServerCertificate<'a> {
    /// # Errors
    /// On bytes that are no certificate, a serial number below zero, and an
    /// extension that is there twice.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, Error> {
        let whole = AnyRef::from_der(der)?;
        let signed = parts(whole)?.tlv_bytes()?;
        let mut fields = parts(AnyRef::from_der(signed)?)?;
        let mut next = AnyRef::decode(&mut fields)?;
        let mut version = 1;
        if is_field(&next, VERSION) {
            // RFC 5280 counts versions from 0, and leaves the first one out.
            version = u8::from_der(next.value())?.saturating_add(1);
            next = AnyRef::decode(&mut fields)?;
        }
        next.tag().assert_eq(Tag::Integer)?;
        // Go refuses a serial number below zero.
        if next.value().first().is_some_and(|first| first & 0x80 != 0) {
            return Err(Tag::Integer.value_error().into());
        }
        // webpki reads these two; they only have to be there.
        let _algorithm = AnyRef::decode(&mut fields)?;
        let _issuer = AnyRef::decode(&mut fields)?;
        let mut validity = parts(AnyRef::decode(&mut fields)?)?;
        let subject = AnyRef::decode(&mut fields)?.value();
        let public_key = AnyRef::decode(&mut fields)?.value();
        let mut certificate = Self {
            der,
            signed,
            version,
            subject,
            public_key,
            alternative_name: None,
            not_before: time(&mut validity)?,
            not_after: time(&mut validity)?,
            basic_constraints: None,
            key_usage: None,
            purposes: Vec::new(),
            dns_names: Vec::new(),
            addresses: Vec::new(),
            has_unknown_critical: false,
        };
        while !fields.is_finished() {
            let field = AnyRef::decode(&mut fields)?;
            if is_field(&field, EXTENSIONS) {
                certificate.read_extensions(parts(AnyRef::from_der(field.value())?)?)?;
            }
        }
        Ok(certificate)
    }

    fn read_extensions(&mut self, mut extensions: SliceReader<'a>) -> Result<(), Error> {
        let mut seen = Vec::new();
        while !extensions.is_finished() {
            let WrittenExtension {
                id,
                is_critical,
                value,
            } = WrittenExtension::read(AnyRef::decode(&mut extensions)?)?;
            // Of two, another reader could take the other one.
            if seen.contains(&id) {
                return Err(Tag::Sequence.value_error().into());
            }
            seen.push(id);
            self.read_extension(id, value)?;
            self.has_unknown_critical |= is_critical && !UNDERSTOOD.contains(&id);
            // Go refuses it, as RFC 5280 (section 4.2.1.2) forbids it.
            if is_critical && id == KEY_IDENTIFIER {
                return Err(Tag::Boolean.value_error().into());
            }
        }
        Ok(())
    }

    fn read_extension(&mut self, id: ObjectIdentifier, value: &'a [u8]) -> Result<(), Error> {
        if id == KEY_USAGE {
            let bits = AnyRef::from_der(value)?;
            bits.tag().assert_eq(Tag::BitString)?;
            // The first octet counts the bits that are not used.
            self.key_usage = bits.value().get(1).copied();
            return Ok(());
        }
        // Of other extensions only their presence counts.
        if ![BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, ALTERNATIVE_NAME].contains(&id) {
            return Ok(());
        }
        let mut parts = parts(AnyRef::from_der(value)?)?;
        if id == BASIC_CONSTRAINTS {
            self.basic_constraints = Some(BasicConstraints::read(&mut parts)?);
            return Ok(());
        }
        if id == ALTERNATIVE_NAME {
            self.alternative_name = Some(value);
        }
        while !parts.is_finished() {
            let part = AnyRef::decode(&mut parts)?;
            match id == EXTENDED_KEY_USAGE {
                true => self.purposes.push(part.decode_as()?),
                false => self.read_name(&part)?,
            }
        }
        Ok(())
    }

    /// Reads a name of the subject. Those of other kinds are no server's.
    fn read_name(&mut self, name: &AnyRef<'a>) -> Result<(), Error> {
        if is_field(name, DNS_NAME) {
            self.dns_names.push(name.value());
        } else if is_field(name, IP_ADDRESS) {
            let address = address(name.value()).ok_or_else(|| name.tag().value_error())?;
            self.addresses.push(address);
        }
        Ok(())
    }

    /// Whether `now`, since 1970, is before or after its time.
    pub(super) fn is_expired(&self, now: Duration) -> bool {
        now < self.not_before || now > self.not_after
    }

    /// Whether it has a critical extension that the signer does not understand.
    pub(super) fn asks_too_much(&self) -> bool {
        self.has_unknown_critical
    }

    /// Whether its purposes let a server show it, or let it sign for one.
    pub(super) fn is_for_servers(&self) -> bool {
        let for_servers = |id: &ObjectIdentifier| *id == SERVER || *id == ANY_PURPOSE;
        self.purposes.is_empty() || self.purposes.iter().any(for_servers)
    }

    /// Its purposes as numbers; none if it states none.
    pub(super) fn purposes(&self) -> Vec<Vec<usize>> {
        let numbers = |id: &ObjectIdentifier| id.arcs().map(|arc| arc as usize).collect();
        self.purposes.iter().map(numbers).collect()
    }

    /// Whether its key may verify certificates, with so many others between it
    /// and the server's.
    pub(super) fn may_sign(&self, between: usize) -> bool {
        let is_authority = match &self.basic_constraints {
            Some(constraints) => constraints.authority.is_some(),
            // Certificates older than the extension may sign
            // (`CheckSignatureFrom`).
            None => self.version != 3,
        };
        let longest = self.basic_constraints.as_ref().and_then(|c| c.path_length);
        let is_short = longest.is_none_or(|longest| between as u64 <= longest);
        let signs = self.key_usage.unwrap_or_default() & SIGNS_CERTIFICATES != 0;
        is_authority && is_short && (signs || self.key_usage.unwrap_or_default() == 0)
    }

    /// Whether it is the certificate of the same party, by the same key: a chain
    /// does not lead through both.
    pub(super) fn is_same_party(&self, other: &Self) -> bool {
        self.subject == other.subject
            && self.public_key == other.public_key
            && self.alternative_name == other.alternative_name
    }

    /// The same certificate, but no authority; none if it is none anyway.
    pub(super) fn without_authority(&self) -> Option<Vec<u8>> {
        let octet = self.basic_constraints.as_ref()?.authority?;
        // `authority` is a part of `der`: the distance is its index.
        let position = octet
            .as_ptr()
            .addr()
            .checked_sub(self.der.as_ptr().addr())?;
        let mut copy = self.der.to_vec();
        *copy.get_mut(position)? = 0;
        Some(copy)
    }

    /// Whether it is for `name`, by the rules of Go's `VerifyHostname`. The
    /// common name does not count.
    pub(super) fn is_for(&self, name: &ServerName<'_>) -> bool {
        match name {
            ServerName::DnsName(name) => {
                let mut names = self.dns_names.iter();
                names.any(|pattern| matches(pattern, name.as_ref()))
            }
            ServerName::IpAddress(address) => {
                let asked = IpAddr::from(*address).to_canonical();
                let mut addresses = self.addresses.iter();
                addresses.any(|address| address.to_canonical() == asked)
            }
            _ => false,
        }
    }

    /// The names that it has, to be printed.
    pub(super) fn names(&self) -> Vec<String> {
        let text = |bytes: &&[u8]| String::from_utf8_lossy(bytes).into_owned();
        let addresses = self.addresses.iter().map(ToString::to_string);
        self.dns_names.iter().map(text).chain(addresses).collect()
    }
}

struct WrittenExtension<'a> {
    id: ObjectIdentifier,
    is_critical: bool,
    value: &'a [u8],
}

impl<'a> WrittenExtension<'a> {
    fn read(extension: AnyRef<'a>) -> Result<Self, Error> {
        let mut extension = parts(extension)?;
        let id = ObjectIdentifier::decode(&mut extension)?;
        let mut value = AnyRef::decode(&mut extension)?;
        let mut is_critical = false;
        if value.tag() == Tag::Boolean {
            is_critical = value.decode_as()?;
            value = AnyRef::decode(&mut extension)?;
        }
        value.tag().assert_eq(Tag::OctetString)?;
        Ok(Self {
            id,
            is_critical,
            value: value.value(),
        })
    }
}

impl<'a> BasicConstraints<'a> {
    fn read(parts: &mut SliceReader<'a>) -> Result<Self, Error> {
        let mut constraints = Self {
            authority: None,
            path_length: None,
        };
        while !parts.is_finished() {
            let part = AnyRef::decode(parts)?;
            match part.tag() {
                Tag::Boolean if part.decode_as()? => constraints.authority = Some(part.value()),
                Tag::Boolean => {}
                _ => constraints.path_length = Some(part.decode_as()?),
            }
        }
        Ok(constraints)
    }
}

/// The content of a sequence.
fn parts(sequence: AnyRef<'_>) -> Result<SliceReader<'_>, Error> {
    sequence.tag().assert_eq(Tag::Sequence)?;
    SliceReader::new(sequence.value())
}

fn is_field(field: &AnyRef<'_>, wanted: TagNumber) -> bool {
    matches!(field.tag(), Tag::ContextSpecific { number, .. } if number == wanted)
}

fn time(reader: &mut SliceReader<'_>) -> Result<Duration, Error> {
    let time = AnyRef::decode(reader)?;
    match time.tag() {
        Tag::UtcTime => Ok(time.decode_as::<UtcTime>()?.to_unix_duration()),
        _ => Ok(time.decode_as::<GeneralizedTime>()?.to_unix_duration()),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(<[u8; 4]>::try_from(bytes).ok()?.into()),
        16 => Some(<[u8; 16]>::try_from(bytes).ok()?.into()),
        _ => None,
    }
}

/// Whether a name of a certificate covers `host`. Wildcards and the last dot
/// mean something in valid names alone.
fn matches(pattern: &[u8], host: &str) -> bool {
    let Ok(pattern) = std::str::from_utf8(pattern) else {
        return false;
    };
    let plain = host.strip_suffix('.').unwrap_or(host);
    if !is_host(plain, Stars::Refused) || !is_host(pattern, Stars::First) {
        return !matches!(pattern, "" | ".") && pattern.eq_ignore_ascii_case(host);
    }
    let (mut patterns, mut labels) = (pattern.split('.'), plain.split('.'));
    let first = match (patterns.next(), labels.next()) {
        (Some("*"), Some(_)) => true,
        (Some(pattern), Some(label)) => pattern.eq_ignore_ascii_case(label),
        _ => false,
    };
    let is_same = |(a, b): (&str, &str)| a.eq_ignore_ascii_case(b);
    first && patterns.clone().count() == labels.clone().count() && patterns.zip(labels).all(is_same)
}

/// Where `*` may stand for a label.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stars {
    Refused,
    First,
}

fn is_host(name: &str, stars: Stars) -> bool {
    let is_label = |(index, label): (usize, &str)| match label {
        "" => false,
        "*" if index == 0 && stars == Stars::First => true,
        label => {
            let is_inside = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
            !label.starts_with('-') && label.bytes().all(is_inside)
        }
    };
    name != "*" && name.split('.').enumerate().all(is_label)
}
