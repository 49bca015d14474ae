//! One token, through the library of its maker (PKCS #11 v2.40 and later).
//!
//! Answers of the library are hostile until parsed. It is asked to log in once at
//! most: a few wrong PINs lock a token (`spec/tokens.md`, TOK-5).

use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::RawAuthPin;
use signer::pkcs11::{TokenKey, TokenKeyKind, UnsupportedKey, Uri};
use signer::secret::Secret;

use crate::error::{TokenError, failed, words};

/// The most names that a message lists.
const LISTED: usize = 8;

/// A token whose session is open.
pub(crate) struct OpenToken {
    session: Session,
    label: String,
    login: TokenLogin,
}

/// A token's demands before a private key can be used, by its flags when it was
/// opened (CKF_LOGIN_REQUIRED and its like).
#[derive(Clone, Copy, Debug, Default)]
struct TokenLogin {
    is_needed: bool,
    /// A PIN is typed at the token itself.
    has_pad: bool,
    is_locked: bool,
    /// The next wrong PIN locks the token.
    is_last_try: bool,
}

impl OpenToken {
    /// Loads the library at `module`, and opens the token of `uri`.
    ///
    /// # Errors
    /// On a library that cannot be loaded, and where there is not exactly one
    /// such token.
    pub(crate) fn open(uri: &Uri, module: &Path) -> Result<Self, TokenError> {
        let library = load(module)?;
        let (slot, info) = find_token(&library, uri)?;
        Ok(Self {
            session: library.open_ro_session(slot).map_err(failed)?,
            label: info.label().to_owned(),
            login: TokenLogin {
                is_needed: info.login_required(),
                has_pad: info.protected_authentication_path(),
                is_locked: info.user_pin_locked(),
                is_last_try: info.user_pin_final_try(),
            },
        })
    }

    /// The public half of the key of `uri`. Logs in with a PIN that was given: a
    /// caller asks for the public key once, and then for signatures, several at a
    /// time, each of which would show the token a wrong PIN. Without one, logs in
    /// where the token shows the key to nobody else.
    ///
    /// # Errors
    /// Where there is not exactly one such key, and on one that cannot be used.
    pub(crate) fn public_key(
        &mut self,
        uri: &Uri,
        pin: Option<&Secret>,
    ) -> Result<TokenKey, TokenError> {
        // A user at a PIN pad is not made to type where the key is shown anyway.
        if pin.is_some() && !self.login.has_pad {
            self.log_in(pin)?;
        }
        if let Some(key) = self.shown_key(uri)? {
            return Ok(key);
        }
        self.log_in(pin)?;
        if let Some(key) = self.shown_key(uri)? {
            return Ok(key);
        }
        // Some tokens store no public key. An RSA private key has its modulus, and any
        // may have CKA_PUBLIC_KEY_INFO (PKCS #11 v2.40).
        let private = self.private_key(uri)?;
        self.key_of(private, ObjectClass::PRIVATE_KEY)?
            .ok_or(TokenError::NoPublicKey)
    }

    /// Signs `data` with the key of `uri`, by the mechanism of `kind`; the
    /// signature is as the token gives it. Logs in.
    ///
    /// # Errors
    /// Where there is not exactly one such key, and on one that does not sign.
    pub(crate) fn sign(
        &mut self,
        uri: &Uri,
        pin: Option<&Secret>,
        kind: TokenKeyKind,
        data: &[u8],
    ) -> Result<Vec<u8>, TokenError> {
        self.log_in(pin)?;
        let key = self.private_key(uri)?;
        // Such a key wants the PIN anew between C_SignInit and C_Sign: it would be
        // shown twice.
        let always = self.attributes(key, &[AttributeType::AlwaysAuthenticate])?;
        if matches!(always.as_slice(), [Attribute::AlwaysAuthenticate(true)]) {
            return Err(TokenError::AlwaysAuthenticate);
        }
        // Mechanisms that do not hash: the digest was made here, over a message of any
        // length. `data` is a DigestInfo for RSA (TOK-6).
        let mechanism = match kind {
            TokenKeyKind::P256 | TokenKeyKind::P384 | TokenKeyKind::P521 => Mechanism::Ecdsa,
            TokenKeyKind::Rsa => Mechanism::RsaPkcs,
            TokenKeyKind::Ed25519 => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)),
        };
        self.session.sign(&mechanism, key, data).map_err(failed)
    }

    fn log_in(&mut self, pin: Option<&Secret>) -> Result<(), TokenError> {
        if !self.login.is_needed {
            return Ok(());
        }
        self.login.check(pin)?;
        // There is no other try, also after an error.
        self.login.is_needed = false;
        let logged_in = match pin.filter(|_| !self.login.has_pad) {
            Some(pin) => {
                let pin = RawAuthPin::new(Box::new(pin.expose().to_vec()));
                self.session.login_with_raw(UserType::User, &pin)
            }
            None => self.session.login(UserType::User, None),
        };
        match logged_in {
            Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            answer => answer.map_err(failed),
        }
    }

    fn private_key(&self, uri: &Uri) -> Result<ObjectHandle, TokenError> {
        let found = self.find(uri, ObjectClass::PRIVATE_KEY)?;
        match found.as_slice() {
            [key] => Ok(*key),
            [] => Err(TokenError::NoKey {
                token: self.label.clone(),
                keys: self.names()?,
            }),
            _ => Err(TokenError::SeveralKeys(self.ids(&found)?)),
        }
    }

    /// The public key, or else that of the certificate, without which there is
    /// none. Several objects may hold one key. Nothing is shown before logging in
    /// where the objects are private (CKA_PRIVATE).
    fn shown_key(&self, uri: &Uri) -> Result<Option<TokenKey>, TokenError> {
        for class in [ObjectClass::PUBLIC_KEY, ObjectClass::CERTIFICATE] {
            let found = self.find(uri, class)?;
            let mut keys = Vec::new();
            for object in &found {
                keys.extend(self.key_of(*object, class)?);
            }
            keys.dedup();
            match keys.as_slice() {
                [] => {}
                [key] => return Ok(Some(key.clone())),
                _ => return Err(TokenError::SeveralKeys(self.ids(&found)?)),
            }
        }
        Ok(None)
    }

    /// The objects that have all that `uri` names, byte for byte.
    fn find(&self, uri: &Uri, class: ObjectClass) -> Result<Vec<ObjectHandle>, TokenError> {
        let mut template = vec![Attribute::Class(class)];
        template.extend(uri.id.clone().map(Attribute::Id));
        template.extend(uri.object.clone().map(Attribute::Label));
        self.session.find_objects(&template).map_err(failed)
    }

    fn attributes(
        &self,
        object: ObjectHandle,
        types: &[AttributeType],
    ) -> Result<Vec<Attribute>, TokenError> {
        self.session.get_attributes(object, types).map_err(failed)
    }

    /// The key that an object holds or shows, if it does. A library leaves out the
    /// attributes that it does not know or does not give away.
    fn key_of(
        &self,
        object: ObjectHandle,
        class: ObjectClass,
    ) -> Result<Option<TokenKey>, TokenError> {
        let types = match class {
            ObjectClass::CERTIFICATE => &[AttributeType::Value][..],
            _ => &[
                AttributeType::KeyType,
                AttributeType::EcParams,
                AttributeType::EcPoint,
                AttributeType::Modulus,
                AttributeType::PublicExponent,
                AttributeType::PublicKeyInfo,
            ],
        };
        let mut parts = PublicParts::default();
        for attribute in self.attributes(object, types)? {
            parts.add(attribute);
        }
        parts.key().transpose().map_err(TokenError::Key)
    }

    /// The labels of private keys, for who has mistaken one.
    fn names(&self) -> Result<Vec<String>, TokenError> {
        let template = [Attribute::Class(ObjectClass::PRIVATE_KEY)];
        let keys = self.session.find_objects(&template).map_err(failed)?;
        let mut names = Vec::new();
        for key in keys.into_iter().take(LISTED) {
            for attribute in self.attributes(key, &[AttributeType::Label])? {
                if let Attribute::Label(label) = attribute {
                    names.push(String::from_utf8_lossy(&label).into_owned());
                }
            }
        }
        Ok(names)
    }

    /// The ids of keys, as a URI names them.
    fn ids(&self, keys: &[ObjectHandle]) -> Result<Vec<String>, TokenError> {
        let mut ids = Vec::new();
        for key in keys.iter().take(LISTED) {
            for attribute in self.attributes(*key, &[AttributeType::Id])? {
                if let Attribute::Id(id) = attribute {
                    ids.push(id.iter().map(|byte| format!("%{byte:02X}")).collect());
                }
            }
        }
        Ok(ids)
    }
}

impl TokenLogin {
    /// Whether to try at all: a wrong PIN is counted by the token.
    fn check(self, pin: Option<&Secret>) -> Result<(), TokenError> {
        match (self, pin) {
            (
                Self {
                    is_locked: true, ..
                },
                _,
            ) => Err(TokenError::PinLocked),
            (Self { has_pad: true, .. }, _) => Ok(()),
            (_, None) => Err(TokenError::NoPin),
            (
                Self {
                    is_last_try: true, ..
                },
                _,
            ) => Err(TokenError::LastTry),
            (_, Some(_)) => Ok(()),
        }
    }
}

/// The attributes of an object that make a public key.
#[derive(Default)]
struct PublicParts {
    key_type: Option<KeyType>,
    parameters: Option<Vec<u8>>,
    point: Option<Vec<u8>>,
    modulus: Option<Vec<u8>>,
    exponent: Option<Vec<u8>>,
    info: Option<Vec<u8>>,
    certificate: Option<Vec<u8>>,
}

impl PublicParts {
    fn add(&mut self, attribute: Attribute) {
        match attribute {
            Attribute::KeyType(key_type) => self.key_type = Some(key_type),
            Attribute::EcParams(bytes) => self.parameters = Some(bytes),
            Attribute::EcPoint(bytes) => self.point = Some(bytes),
            Attribute::Modulus(bytes) => self.modulus = Some(bytes),
            Attribute::PublicExponent(bytes) => self.exponent = Some(bytes),
            Attribute::PublicKeyInfo(bytes) => {
                self.info = Some(bytes).filter(|bytes| !bytes.is_empty());
            }
            Attribute::Value(bytes) => self.certificate = Some(bytes),
            _ => {}
        }
    }

    /// The public key, if the attributes suffice: of an elliptic curve the public
    /// object alone has the point.
    fn key(&self) -> Option<Result<TokenKey, UnsupportedKey>> {
        if let Some(certificate) = &self.certificate {
            return Some(TokenKey::from_certificate(certificate));
        }
        match (self.key_type?, &self.parameters, &self.point) {
            (KeyType::EC, Some(parameters), Some(point)) => {
                return Some(TokenKey::from_ec(parameters, point));
            }
            (KeyType::EC_EDWARDS, _, Some(point)) => return Some(TokenKey::from_edwards(point)),
            _ => {}
        }
        match (&self.modulus, &self.exponent, &self.info) {
            (Some(modulus), Some(exponent), _) => Some(TokenKey::from_rsa(modulus, exponent)),
            (_, _, Some(info)) => Some(TokenKey::from_spki(info)),
            _ => None,
        }
    }
}

/// The library at `module`, initialized.
fn load(module: &Path) -> Result<Pkcs11, TokenError> {
    // As in cosign (v3.1.2 `pkg/cosign/pkcs11key`). The loader would wait for the
    // writer of a pipe.
    if !std::fs::metadata(module).is_ok_and(|file| file.is_file()) {
        return Err(TokenError::NoModule(module.to_owned()));
    }
    let library = Pkcs11::new(module).map_err(|error| TokenError::Module {
        path: module.to_owned(),
        reason: words(&error),
    })?;
    let threads = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    match library.initialize(threads) {
        Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        answer => answer.map_err(failed)?,
    }
    Ok(library)
}

/// The one slot whose token has all that `uri` names; otherwise the error names the
/// tokens that are there.
fn find_token(library: &Pkcs11, uri: &Uri) -> Result<(Slot, TokenInfo), TokenError> {
    let mut matching = Vec::new();
    let mut labels = Vec::new();
    for slot in library.get_slots_with_token().map_err(failed)? {
        // A reader whose card was just drawn out is none of ours.
        let Ok(info) = library.get_token_info(slot) else {
            continue;
        };
        // SoftHSM always shows one more slot, with a token that has no name yet.
        if info.token_initialized() && labels.len() < LISTED {
            labels.push(info.label().to_owned());
        }
        if is_named(uri, slot, &info) {
            matching.push((slot, info));
        }
    }
    match matching.pop() {
        Some(token) if matching.is_empty() => Ok(token),
        Some(_) => Err(TokenError::SeveralTokens(matching.len() + 1)),
        None => Err(TokenError::NoToken(labels)),
    }
}

/// Whether a token has all that `uri` names.
fn is_named(uri: &Uri, slot: Slot, info: &TokenInfo) -> bool {
    let is = |wanted: &Option<String>, found: &str| {
        wanted.as_deref().is_none_or(|wanted| wanted == found)
    };
    is(&uri.token, info.label())
        && is(&uri.manufacturer, info.manufacturer_id())
        && is(&uri.model, info.model())
        && is(&uri.serial, info.serial_number())
        && uri.slot_id.is_none_or(|id| id == slot.id())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TOK-5
    #[test]
    fn a_pin_is_shown_to_no_token_that_would_lock_itself() {
        let pin = Secret::new(b"1234".to_vec());
        let plain = TokenLogin {
            is_needed: true,
            ..TokenLogin::default()
        };
        assert_eq!(plain.check(Some(&pin)), Ok(()));
        assert_eq!(plain.check(None), Err(TokenError::NoPin));
        let last = TokenLogin {
            is_last_try: true,
            ..plain
        };
        assert_eq!(last.check(Some(&pin)), Err(TokenError::LastTry));
        let locked = TokenLogin {
            is_locked: true,
            ..last
        };
        assert_eq!(locked.check(Some(&pin)), Err(TokenError::PinLocked));
        let pad = TokenLogin {
            has_pad: true,
            ..plain
        };
        assert_eq!(pad.check(None), Ok(()));
    }
}
