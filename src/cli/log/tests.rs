use std::borrow::Cow;
use std::io;
use std::sync::Mutex;

use tracing::{debug, error, info, warn};

use super::*;
use crate::cli::line::escaped;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(log: &Log, events: impl FnOnce()) -> String {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let subscriber = log.subscriber(move || writer.clone());
    tracing::subscriber::with_default(subscriber, events);
    let bytes = buffer.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn logged_at(level: LogLevel, colour: Colour, events: impl FnOnce()) -> String {
    let log = Log::new(Secrets::default());
    log.show_from(level);
    log.dress(colour, LogFormat::Text);
    logged(&log, events)
}

fn every_level() {
    debug!("d");
    info!("i");
    warn!("w");
    error!("e");
}

/// SIG-19
#[test]
fn lines_look_as_the_lifecycles() {
    assert_eq!(
        logged_at(LogLevel::Debug, Colour::On, every_level),
        "d\ni\n\u{1b}[33;1mWarning: \u{1b}[0mw\n\u{1b}[31;1mERROR: \u{1b}[0me\n"
    );
    assert_eq!(
        logged_at(LogLevel::Debug, Colour::Off, every_level),
        "d\ni\nWarning: w\nERROR: e\n"
    );
}

#[test]
fn the_level_says_what_is_shown() {
    for (level, shown) in [
        (LogLevel::Info, "i\nWarning: w\nERROR: e\n"),
        (LogLevel::Warn, "Warning: w\nERROR: e\n"),
        (LogLevel::Error, "ERROR: e\n"),
    ] {
        assert_eq!(logged_at(level, Colour::Off, every_level), shown);
    }
}

#[test]
fn a_log_starts_in_colour_at_info_and_can_be_configured_later() {
    let log = Log::new(Secrets::default());
    let shown = logged(&log, || {
        every_level();
        log.show_from(LogLevel::Error);
        log.dress(Colour::Off, LogFormat::Text);
        every_level();
        log.show_from(LogLevel::Debug);
        debug!("again");
    });
    assert_eq!(
        shown,
        "i\n\u{1b}[33;1mWarning: \u{1b}[0mw\n\u{1b}[31;1mERROR: \u{1b}[0me\nERROR: e\nagain\n"
    );
}

#[test]
fn only_our_own_events_are_shown() {
    let shown = logged_at(LogLevel::Debug, Colour::Off, || {
        error!(target: "reqwest::connect", "theirs");
        error!(target: "hyper", "theirs");
        error!(target: "signer_spy", "theirs");
        info!(target: "signer", "ours");
        info!(target: "signer::store", "ours");
        tracing::trace!("nobody's");
    });
    assert_eq!(shown, "ours\nours\n");
}

/// SIG-19
#[test]
fn nobody_else_can_write_a_line_or_a_colour() {
    let shown = logged_at(LogLevel::Info, Colour::On, || {
        info!(
            "the registry says: {}",
            "no\nERROR: all is lost\r\u{1b}[2J\u{0}\u{9b}1m\u{202e}\u{2028}\u{7f}\ttab ä 😀"
        );
    });
    assert_eq!(
        shown,
        "the registry says: no\\nERROR: all is lost\\r\\u{1b}[2J\\u{0}\\u{9b}1m\\u{202e}\
         \\u{2028}\\u{7f}\ttab ä 😀\n"
    );
}

/// SIG-19: all that Unicode calls `Bidi_Control`, and what is not seen at all.
#[test]
fn what_turns_the_direction_or_is_invisible_is_spelled_out() {
    for mark in
        "\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}\u{ad}\u{180e}\u{200b}\u{200d}\
                 \u{2060}\u{206f}\u{3164}\u{feff}\u{fff9}\u{e0041}\u{e01ef}"
            .chars()
    {
        let safe = format!("a{}b", mark.escape_unicode());
        assert_eq!(escaped(&format!("a{mark}b")), safe);
    }
}

/// SIG-15
#[test]
fn no_part_of_a_line_shows_a_secret_whoever_wrote_it() {
    let secrets = Secrets::default();
    secrets.remember(b"canary-password");
    let shown = logged(&Log::new(secrets), || {
        let word = "canary-password";
        info!(%word, lines = format!("a {word}"), hint = word, "see {word}\n{word}");
    });
    assert_eq!(shown, "see …\\n… word=…\na …\nhint: …\n");
}

#[test]
fn a_line_break_at_the_end_of_a_message_is_not_doubled() {
    assert_eq!(
        logged_at(LogLevel::Info, Colour::Off, || info!("a\n")),
        "a\n"
    );
    assert_eq!(logged_at(LogLevel::Info, Colour::Off, || info!("")), "\n");
}

/// SIG-19
#[test]
fn a_hint_has_a_line_of_its_own() {
    let shown = logged_at(LogLevel::Error, Colour::Off, || {
        error!(hint = "do\nthis", "failed to sign");
    });
    assert_eq!(shown, "ERROR: failed to sign\nhint: do\\nthis\n");
}

#[test]
fn our_own_line_breaks_are_kept() {
    let shown = logged_at(LogLevel::Warn, Colour::Off, || {
        warn!(lines = "\ta\u{1b}\n\tb", "first");
    });
    assert_eq!(shown, "Warning: first\n\ta\\u{1b}\n\tb\n");
}

#[test]
fn fields_follow_the_message() {
    let shown = logged_at(LogLevel::Debug, Colour::Off, || {
        let url = "https://r.io/v2/\n";
        debug!(method = "GET", %url, status = 200, "sent");
    });
    assert_eq!(
        shown,
        "sent method=GET url=https://r.io/v2/\\n status=200\n"
    );
}

#[test]
fn levels_are_those_of_the_lifecycle_in_any_case() {
    for (text, level) in [
        ("debug", LogLevel::Debug),
        ("INFO", LogLevel::Info),
        ("Warn", LogLevel::Warn),
        ("warning", LogLevel::Warn),
        ("error", LogLevel::Error),
        ("fatal", LogLevel::Error),
    ] {
        assert_eq!(text.parse(), Ok(level));
    }
    for text in ["", "trace", "verbose", " info"] {
        assert_eq!(
            text.parse::<LogLevel>().unwrap_err().to_string(),
            "invalid level"
        );
    }
}

#[test]
fn text_without_control_characters_is_not_copied() {
    assert!(matches!(escaped("a\tb ä"), Cow::Borrowed(_)));
}

fn in_json(log: &Log, events: impl FnOnce()) -> Vec<serde_json::Map<String, serde_json::Value>> {
    log.dress(Colour::On, LogFormat::Json);
    let text = logged(log, events);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// SIG-83
#[test]
fn a_line_for_machines_is_an_object_with_what_is_known() {
    let log = Log::new(Secrets::default());
    log.show_from(LogLevel::Debug);
    let before = jiff::Timestamp::now();
    let lines = in_json(&log, || {
        info!(image = "r.io/app@d", key = "a.key", "Signed");
        let nothing: Option<&str> = None;
        error!(hint = "do this", place = "r.io/app:t", key = nothing, "no");
        every_level();
    });
    let [signed, failed, levels @ ..] = &lines[..] else {
        panic!("{lines:?}");
    };
    let names = |line: &serde_json::Map<String, serde_json::Value>| {
        line.keys()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
    };
    let expected = ["image", "key", "level", "message", "time"];
    assert_eq!(names(signed), expected.map(str::to_owned).into());
    let expected = ["hint", "level", "message", "place", "time"];
    assert_eq!(names(failed), expected.map(str::to_owned).into());
    assert_eq!(
        (&signed["image"], &signed["key"]),
        (&"r.io/app@d".into(), &"a.key".into())
    );
    assert_eq!(
        (&failed["message"], &failed["hint"]),
        (&"no".into(), &"do this".into())
    );
    let levels: Vec<_> = levels
        .iter()
        .map(|line| line["level"].as_str().unwrap())
        .collect();
    assert_eq!(levels, ["debug", "info", "warn", "error"]);
    let time = signed["time"].as_str().unwrap();
    let time: jiff::Timestamp = time.parse().unwrap();
    assert!(time.duration_since(before).as_secs().abs() < 60, "{time}");
}

/// SIG-15, SIG-19, SIG-83
#[test]
fn a_line_for_machines_shows_no_control_characters_and_no_secret_either() {
    let secrets = Secrets::default();
    secrets.remember(b"canary-password");
    let lines = in_json(&Log::new(secrets), || {
        let hostile = "canary-password\n\u{1b}[2J\u{202e}\"}";
        warn!(
            image = hostile,
            hint = hostile,
            lines = "\ta\n\tb",
            "{hostile}"
        );
    });
    let safe = "…\\n\\u{1b}[2J\\u{202e}\"}";
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(
        (&line["image"], &line["hint"]),
        (&safe.into(), &safe.into())
    );
    assert_eq!(line["message"], format!("{safe}\n\ta\n\tb"));
}

#[test]
fn what_the_words_name_is_not_said_twice_in_text() {
    let shown = logged_at(LogLevel::Info, Colour::Off, || {
        info!(image = "i", place = "p", key = "k", other = "o", "words");
    });
    assert_eq!(shown, "words other=o\n");
}
