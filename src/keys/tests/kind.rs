//! Which keys are inside (`spec/keys.md`, section 3).

use std::process::Command;

use super::{KeyError, LocalKey, ed25519_pkcs8, from_file, key_file, p256_pkcs8, password, unlock};
use crate::support::needs::{Need, is_here};

/// KEY-20, KEY-21. Keys that decrypt well and that cosign refuses.
#[test]
fn keys_of_other_curves_and_sizes_are_refused() {
    for (name, error) in [
        ("secp256k1", KeyError::Curve("secp256k1".to_owned())),
        ("rsa1024", KeyError::RsaSize(1024)),
    ] {
        let file = key_file(&format!("refused/{name}"));
        assert_eq!(unlock(&file, &from_file(&password())).unwrap_err(), error);
    }
}

/// KEY-22
#[test]
fn keys_of_other_kinds_are_refused_by_name() {
    // X25519 (RFC 8410), with the same form as Ed25519.
    let mut x25519 = ed25519_pkcs8();
    let oid = x25519
        .windows(3)
        .position(|w| w == [0x2b, 0x65, 0x70])
        .unwrap();
    x25519[oid + 2] = 0x6e;
    assert_eq!(
        LocalKey::from_pkcs8(&x25519).unwrap_err(),
        KeyError::KeyType("1.3.101.110".to_owned())
    );
}

/// KEY-20
#[test]
fn curves_of_other_kinds_are_refused_by_their_oid() {
    if !is_here(Need::OpenSsl) {
        return;
    }
    let brainpool = openssl_pkcs8(&["EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"]);
    assert_eq!(
        LocalKey::from_pkcs8(&brainpool).unwrap_err(),
        KeyError::Curve("1.3.36.3.3.2.8.1.1.7".to_owned())
    );
}

/// A new PKCS#8 key of `openssl genpkey -algorithm …`.
fn openssl_pkcs8(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(["genpkey", "-algorithm"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let (label, der) = pem_rfc7468::decode_vec(&output.stdout).unwrap();
    assert_eq!(label, "PRIVATE KEY");
    der
}

/// KEY-21. 2560 bits is a size that aws-lc itself takes; 2047 rounds to 2048.
#[test]
fn rsa_sizes_are_counted_in_bits() {
    if !is_here(Need::OpenSsl) {
        return;
    }
    for bits in [2560, 2047] {
        let key = openssl_pkcs8(&["RSA", "-pkeyopt", &format!("rsa_keygen_bits:{bits}")]);
        assert_eq!(
            LocalKey::from_pkcs8(&key).unwrap_err(),
            KeyError::RsaSize(bits)
        );
    }
}

/// KEY-20
#[test]
fn damaged_keys_are_refused_and_never_panic() {
    assert_eq!(LocalKey::from_pkcs8(b"").unwrap_err(), KeyError::NotPkcs8);
    assert_eq!(
        LocalKey::from_pkcs8(b"hush").unwrap_err(),
        KeyError::NotPkcs8
    );
    for der in [p256_pkcs8(), ed25519_pkcs8()] {
        assert!(LocalKey::from_pkcs8(&der).is_ok());
        for length in 0..der.len() {
            assert!(LocalKey::from_pkcs8(&der[..length]).is_err());
        }
        for index in 0..der.len() {
            let mut changed = der.clone();
            changed[index] ^= 0xff;
            // Some changes give another good key; none may panic.
            let _ = LocalKey::from_pkcs8(&changed);
        }
    }
    // A scalar of zero.
    let mut zero = p256_pkcs8();
    let scalar = zero.windows(2).position(|w| w == [0x04, 0x20]).unwrap() + 2;
    zero[scalar..scalar + 32].fill(0);
    assert_eq!(LocalKey::from_pkcs8(&zero).unwrap_err(), KeyError::Damaged);
}
