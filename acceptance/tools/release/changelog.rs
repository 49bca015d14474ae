//! The release notes: the section of the version in `CHANGELOG.md`.

use anyhow::{Context as _, Result, ensure};

/// The text below `## [<version>] - <date>`, up to the next version.
///
/// # Errors
/// On a version without a section, and on a section without a date or text.
pub fn notes(changelog: &str, version: &str) -> Result<String> {
    let heading = format!("## [{version}]");
    let mut lines = changelog.lines();
    let first = lines
        .find(|line| line.starts_with(&heading))
        .with_context(|| format!("CHANGELOG.md has no section `{heading} - <date>`"))?;
    let text: Vec<_> = lines.take_while(|line| !line.starts_with("## ")).collect();
    let text = text.join("\n");
    let date = first.trim_start_matches(&heading).trim();
    ensure!(
        date.strip_prefix("- ").is_some_and(is_date),
        "`{first}` in CHANGELOG.md lacks its date: `{heading} - YYYY-MM-DD`"
    );
    let text = text.trim();
    ensure!(!text.is_empty(), "`{first}` in CHANGELOG.md says nothing");
    Ok(format!("{text}\n"))
}

fn is_date(text: &str) -> bool {
    text.parse::<jiff::civil::Date>().is_ok()
}
