//! Answers of services: JSON of theirs, and their own words.
//!
//! Nothing explains a refusal better than the words of the service, and so they
//! are printed; they may repeat a secret that they were shown, and are scrubbed
//! before they are cut (`spec/decisions/0015`).

use serde::de::DeserializeOwned;

use super::error::{Said, Trouble};
use crate::http::{Redacted, Request, Response, printable};
use crate::secret::{Secrets, Voice};

/// The JSON of an answer, if it has the expected form.
pub fn json<T: DeserializeOwned>(response: &Response) -> Option<T> {
    serde_json::from_slice(&response.body).ok()
}

/// A request in words: its method, and its URL without secrets.
pub fn action(request: &Request) -> String {
    format!("{} {}", request.method, Redacted(&request.url))
}

/// An answer to `request` that says nothing which was asked for. Its words are
/// left out: they may be a whole page.
pub fn nonsense(request: &Request, reason: &'static str) -> Trouble {
    Trouble::Answer {
        action: action(request),
        reason,
    }
}

/// The service's words: `text` of its answer or, if there is none, all of
/// it, scrubbed and cut.
pub fn said(response: &Response, text: Option<&str>) -> Said {
    Said(match text {
        Some(text) => response.printable(text.trim()),
        None => response.words(),
    })
}

/// The most characters of a program's last words, and a mark for those before them.
const LAST: usize = 299;

/// The last words of a program, fit to print: the end of what it says tells why it
/// failed.
pub fn last_words(words: &str, secrets: &Secrets) -> Said {
    let words = secrets.scrubbed(words.trim(), Voice::Theirs, &[]);
    let surplus = words.chars().count().saturating_sub(LAST);
    let end: String = words.chars().skip(surplus).collect();
    Said(match surplus {
        0 => printable(&end),
        _ => printable(&format!("…{end}")),
    })
}

/// Words of a program, fit to print.
pub fn quoted(words: &str, secrets: &Secrets) -> Said {
    Said(printable(&secrets.scrubbed(
        words.trim(),
        Voice::Theirs,
        &[],
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_useless_answer_is_told_with_its_request() {
        let url = "https://u:p@h/v1/k".parse().unwrap();
        let request = Request::new(crate::http::Method::GET, url, crate::http::Trust::Verified);
        let told = nonsense(&request, "it is no JSON").to_string();
        assert!(told.starts_with("GET https://"), "{told}");
        assert!(
            told.ends_with("/v1/k: the answer cannot be used: it is no JSON"),
            "{told}"
        );
    }

    #[test]
    fn of_a_long_text_the_end_is_shown_without_secrets() {
        let secrets = Secrets::default();
        secrets.remember(b"hunter2-canary");
        let words = format!("{}\nhunter2-canary\nthe end\n", "x".repeat(5000));
        let Said(shown) = last_words(&words, &secrets);
        assert!(
            shown.starts_with("…x") && shown.ends_with(" … the end"),
            "{shown}"
        );
        assert_eq!(shown.chars().count(), LAST + 1);
        assert_eq!(last_words(" why \n", &secrets), Said("why".to_owned()));
    }
}
