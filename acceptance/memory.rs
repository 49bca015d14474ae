//! Secrets that a run still holds once everything is signed: its memory is read while
//! the place settles, as root can.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::Child;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::{AeadInPlace as _, KeyInit as _, XSalsa20Poly1305};
use pkcs8::{DecodePrivateKey as _, PrivateKeyInfoRef};
use sha2::{Digest as _, Sha512};

use crate::support::images::Image;
use crate::support::needs::{Need, is_here};
use crate::support::registry::Registry;
use crate::support::signer::{Config, Signer};
use crate::support::testdata;

const PAGE: usize = 4096;
const PASSWORD: &[u8] = b"correct horse battery staple";

/// A piece of memory, with what the kernel calls it.
struct Mapping {
    name: String,
    bytes: Vec<u8>,
}

fn memory(process: u32) -> Vec<Mapping> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let mut mappings = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (range, mode) = (words.next().unwrap(), words.next().unwrap());
        let (start, end) = range.split_once('-').unwrap();
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        let (start, end) = (address(start), address(end));
        if !mode.starts_with("rw") {
            continue;
        }
        let mut bytes = Vec::new();
        // Page by page: some may not be there, and most hold nothing.
        for at in (start..end).step_by(PAGE) {
            let mut page = [0; PAGE];
            if memory.read_exact_at(&mut page, at).is_ok() && page != [0; PAGE] {
                bytes.extend(page);
            }
        }
        mappings.push(Mapping {
            name: words.nth(3).unwrap_or_default().to_owned(),
            bytes,
        });
    }
    mappings
}

/// The mappings that hold `secret`.
fn holding(memory: &[Mapping], secret: &[u8]) -> Vec<String> {
    let finder = |mapping: &&Mapping| {
        let first = secret[0];
        let mut rest = mapping.bytes.as_slice();
        while let Some(at) = rest.iter().position(|byte| *byte == first) {
            if rest[at..].starts_with(secret) {
                return true;
            }
            rest = &rest[at + 1..];
        }
        false
    };
    memory
        .iter()
        .filter(finder)
        .map(|mapping| format!("`{}`", mapping.name))
        .collect()
}

/// The key of scrypt's and the PKCS#8 of a cosign key.
fn unlocked(name: &str) -> ([u8; 32], Vec<u8>) {
    let pem = std::fs::read_to_string(testdata(&format!("keys/{name}.key"))).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let json = STANDARD.decode(body).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let bytes = |value: &serde_json::Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let n = json["kdf"]["params"]["N"].as_u64().unwrap();
    let parameters = scrypt::Params::new(n.ilog2().try_into().unwrap(), 8, 1).unwrap();
    let mut key = [0; 32];
    scrypt::scrypt(
        PASSWORD,
        &bytes(&json["kdf"]["salt"]),
        &parameters,
        &mut key,
    )
    .unwrap();
    let (nonce, sealed) = (bytes(&json["cipher"]["nonce"]), bytes(&json["ciphertext"]));
    let (tag, encrypted) = sealed.split_at(16);
    let mut der = encrypted.to_vec();
    XSalsa20Poly1305::new((&key).into())
        .decrypt_in_place_detached(nonce.as_slice().into(), b"", &mut der, tag.into())
        .unwrap();
    (key, der)
}

/// The private key, in the forms that it has in memory.
fn scalars(name: &str, der: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let both = |what, bytes: Vec<u8>| {
        let reversed = bytes.iter().rev().copied().collect();
        vec![(what, bytes), (what, reversed)]
    };
    if name.starts_with("p256") {
        let key = p256::SecretKey::from_pkcs8_der(der).unwrap();
        return both("the scalar", key.to_bytes().to_vec());
    }
    if name.starts_with("p384") {
        let key = p384::SecretKey::from_pkcs8_der(der).unwrap();
        return both("the scalar", key.to_bytes().to_vec());
    }
    let info = PrivateKeyInfoRef::try_from(der).unwrap();
    let inner = info.private_key.as_bytes();
    if name.starts_with("ed25519") {
        let seed = &inner[2..];
        let expanded = Sha512::digest(seed);
        let prefix = expanded[32..].to_vec();
        return vec![("the seed", seed.to_vec()), ("the prefix", prefix)];
    }
    // In the middle of an `RSAPrivateKey` lies its first prime.
    let middle = inner.len() / 2;
    both("a part of a prime", inner[middle..middle + 32].to_vec())
}

fn settling(signer: &Signer, registry: &Registry, image: &Image) -> Child {
    let child = signer.start();
    let start = Instant::now();
    let place = image.attached("sig");
    while registry.manifest(image.repository(), &place).is_none() {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    child
}

/// KEY-40
#[test]
fn no_key_and_no_password_is_in_memory_once_everything_is_signed() {
    if !is_here(Need::Memory) {
        return;
    }
    for name in [
        "p256-cosign3",
        "p384-imported-cosign3",
        "ed25519-imported-cosign3",
        "rsa2048-imported-cosign3",
    ] {
        let registry = Registry::start();
        let image = Image::recorded("one-document");
        image.seed(&registry);
        let signer = Signer::of(&image, registry.host()).key(name);
        let signer = signer.arguments(&["-settle", "20s"]);
        let mut child = settling(&signer, &registry, &image);
        let memory = memory(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!holding(&memory, image.digest().as_bytes()).is_empty());
        let (key, der) = unlocked(name);
        let file = std::fs::read(testdata(&format!("keys/{name}.key"))).unwrap();
        let mut secrets = scalars(name, &der);
        secrets.push(("the password", PASSWORD.to_vec()));
        secrets.push(("the key of scrypt's", key.to_vec()));
        secrets.push(("the decrypted key", der));
        secrets.push(("the key file", file[60..160].to_vec()));
        for (what, secret) in secrets {
            let found = holding(&memory, &secret);
            assert!(found.is_empty(), "{name}: {what} is in {found:?}");
        }
    }
}

/// The kernel puts the environment onto the stack of the process, and safe code
/// cannot write there. No other copy is left.
#[test]
fn a_password_of_the_environment_is_where_the_kernel_put_it_and_nowhere_else() {
    if !is_here(Need::Memory) {
        return;
    }
    let registry = Registry::start();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let key = testdata("keys/p256-cosign3.key");
    let signer = Signer::of(&image, registry.host())
        .config(Config::key_file(&key))
        .environment("COSIGN_PASSWORD", std::str::from_utf8(PASSWORD).unwrap())
        .arguments(&["-settle", "20s"]);
    let mut child = settling(&signer, &registry, &image);
    let memory = memory(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(holding(&memory, PASSWORD), ["`[stack]`"]);
}
