use std::time::Instant;

use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

use super::*;

const PASSWORD: &str = "canary/p4ss \"wörd\"-registry";

fn knowing(values: &[&str]) -> Secrets {
    let secrets = Secrets::default();
    values
        .iter()
        .for_each(|value| secrets.remember(value.as_bytes()));
    secrets
}

fn theirs(secrets: &Secrets, text: &str) -> String {
    secrets.scrubbed(text, Voice::Theirs, &[]).into_owned()
}

fn ours(secrets: &Secrets, text: &str) -> String {
    secrets.scrubbed(text, Voice::Ours, &[]).into_owned()
}

/// Every way to write `secret` that is looked for.
fn written(secret: &str) -> Vec<String> {
    let unicode: String = secret
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04X}"))
        .collect();
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let entities: String = secret
        .chars()
        .map(|c| format!("&#{};", u32::from(c)))
        .collect();
    let json = serde_json::to_string(secret).unwrap();
    vec![
        secret.to_owned(),
        secret.to_uppercase().replace('Ö', "ö"),
        unicode.clone(),
        unicode.replace('\\', "\\\\"),
        percent.clone(),
        percent.replace('%', "%25"),
        entities,
        json.trim_matches('"').replace('/', "\\/"),
        serde_json::to_string(&json).unwrap(),
        secret.replace('"', "&quot;"),
        format!("{secret:?}"),
        secret.escape_unicode().to_string(),
        STANDARD.encode(secret),
        URL_SAFE.encode(secret),
        URL_SAFE_NO_PAD.encode(format!("x{secret}")),
        STANDARD.encode(format!("xy{secret}z")),
        hex::encode(secret),
        hex::encode_upper(secret),
    ]
}

#[test]
fn a_secret_is_hidden_however_it_is_written() {
    let secrets = knowing(&[PASSWORD]);
    for form in written(PASSWORD) {
        for voice in [Voice::Theirs, Voice::Ours] {
            let text = format!("denied for {form}, sorry");
            let scrubbed = secrets.scrubbed(&text, voice, &[]);
            let middle: String = form.chars().skip(12).take(12).collect();
            assert!(!scrubbed.contains(&middle), "{voice:?} {form}: {scrubbed}");
            assert!(scrubbed.starts_with("denied for "), "{scrubbed}");
            assert!(scrubbed.ends_with(", sorry"), "{scrubbed}");
        }
    }
}

#[test]
fn a_piece_of_a_secret_is_hidden_wherever_it_was_cut() {
    let secrets = knowing(&[PASSWORD]);
    for form in written(PASSWORD) {
        let all: Vec<char> = form.chars().collect();
        // As many characters as two escapes of six pieces take at most.
        for length in [72, 90, 120] {
            for piece in all.windows(length.min(all.len())) {
                let piece: String = piece.iter().collect();
                let scrubbed = theirs(&secrets, &format!("no: {piece}"));
                assert!(scrubbed.len() < 30, "{form}: {piece}: {scrubbed}");
            }
        }
    }
    let all: Vec<char> = PASSWORD.chars().collect();
    for length in 6..all.len() {
        for piece in all.windows(length) {
            let piece: String = piece.iter().collect();
            assert_eq!(theirs(&secrets, &format!("no:{piece}.")), "no:….");
        }
    }
}

#[test]
fn a_login_is_hidden_as_http_carries_it() {
    let secrets = Secrets::default();
    secrets.remember_login("robot", b"canary-pw");
    let header = STANDARD.encode("robot:canary-pw");
    for text in [format!("Basic {header}"), format!("got {}", &header[4..])] {
        let scrubbed = theirs(&secrets, &text);
        assert!(
            scrubbed.ends_with(" …") || scrubbed.ends_with(" …="),
            "{scrubbed}"
        );
        assert_eq!(ours(&secrets, &text), scrubbed);
    }
    assert_eq!(theirs(&secrets, "robot:canary-pw"), "robot:…");
}

#[test]
fn a_user_is_hidden_where_it_may_be_the_secret() {
    for (user, password, is_hidden) in [
        ("canary-token", "canary-token", true),
        ("canary-token", "", true),
        ("canary-token", "x", true),
        ("canary_pat_0123456789", "x-oauth-basic", true),
        ("canary-robot", "another-password", false),
    ] {
        let secrets = Secrets::default();
        secrets.remember_login(user, password.as_bytes());
        let text = format!("nobody called {user}");
        for scrubbed in [theirs(&secrets, &text), ours(&secrets, &text)] {
            assert_eq!(scrubbed != text, is_hidden, "{user}:{password}");
        }
    }
}

#[test]
fn short_secrets_do_not_make_noise_of_the_log() {
    let secrets = knowing(&["a", "of", "key"]);
    secrets.remember_login("me", b"a");
    let line = "a key of `r.io/a`";
    assert_eq!(ours(&secrets, line), line);
    assert_eq!(theirs(&secrets, line), line);
    let header = STANDARD.encode("me:a");
    assert_eq!(theirs(&secrets, &format!("Basic {header}.")), "Basic ….");
    let secrets = knowing(&["pass"]);
    assert_eq!(
        theirs(&secrets, "no password `pass`, robot:pass"),
        "no password `…`, robot:…"
    );
}

#[test]
fn words_of_ours_are_kept_though_they_are_somebodys_password() {
    let secrets = knowing(&["password", "wrong", "registry-password", "1234"]);
    for line in [
        "wrong password or damaged key",
        "port 1234",
        "list it with `-insecure-registry`",
    ] {
        assert_eq!(ours(&secrets, line), line);
    }
    assert_eq!(ours(&secrets, "got registry-password"), "got …");
    assert_eq!(theirs(&secrets, "wrong password"), "… …");
}

#[test]
fn a_long_or_mixed_piece_is_hidden_in_lines_of_ours_too() {
    let secrets = knowing(&["s3cr3t-canary-of-the-registry"]);
    assert_eq!(ours(&secrets, "type `a/s3cr3t-c`"), "type `a/…`");
    assert_eq!(ours(&secrets, "canary-of-the-reg"), "…");
    assert_eq!(ours(&secrets, "the registry"), "the registry");
    let secrets = knowing(&["repository-token-x"]);
    assert_eq!(ours(&secrets, "a `repository-toke`"), "a `…`");
    assert_eq!(ours(&secrets, "the repository"), "the repository");
}

#[test]
fn values_of_one_request_are_hidden_this_once() {
    let state = [Secret::new(b"qZ7f0kLm93".to_vec())];
    let text = "SignatureDoesNotMatch: qZ7f0kLm93";
    let secrets = Secrets::default();
    assert_eq!(
        secrets.scrubbed(text, Voice::Theirs, &state),
        "SignatureDoesNotMatch: …"
    );
    assert_eq!(theirs(&secrets, text), text);
}

#[test]
fn nothing_to_hide_costs_no_copy() {
    let secrets = knowing(&[PASSWORD]);
    for voice in [Voice::Ours, Voice::Theirs] {
        let text = secrets.scrubbed("GET http://r.io/v2/a?b=%20 200", voice, &[]);
        assert!(matches!(text, Cow::Borrowed(_)));
    }
}

#[test]
fn the_time_grows_with_text_and_secrets_and_not_with_their_product() {
    let secrets = Secrets::default();
    for token in 0..64_u8 {
        let mut text = "a".repeat(LONGEST - 2);
        text.push_str(&token.to_string());
        secrets.remember(text.as_bytes());
    }
    let text = "aaaaab".repeat(11_000);
    let began = Instant::now();
    assert!(theirs(&secrets, &text) == text);
    assert!(ours(&secrets, &text) == text);
    // An unoptimised build takes a second; a product would take hours.
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}
