//! Walking the tables of `cosign.toml`, with errors that know their position. Types and
//! empty values are looked at here (CFG-3, CFG-4).

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::{Position, TomlText, shortened, type_of};
use super::error::ConfigError;
use super::level::{Level, Meant};

/// A table with the names that its errors need.
pub(super) struct Table<'t, 'd> {
    pub(super) document: &'t TomlText<'d>,
    pub(super) level: &'static Level,
    pub(super) table: &'t DeTable<'d>,
    pub(super) position: Position,
}

/// A value with its place in the text.
pub(super) type Value<'d> = Spanned<DeValue<'d>>;
/// A string and where it stands.
pub(super) type Text<'t> = (&'t str, Position);

impl<'t, 'd> Table<'t, 'd> {
    /// The entries of an array of tables, none if it is absent. Unknown keys in
    /// them are refused.
    pub(super) fn tables(
        &self,
        key: &'static str,
        level: &'static Level,
    ) -> Result<Vec<Table<'t, 'd>>, ConfigError> {
        let entries = match self.table.get(key) {
            None => return Ok(Vec::new()),
            Some(value) => value
                .get_ref()
                .as_array()
                .ok_or_else(|| self.wrong_type(key, "an array of tables", value))?,
        };
        let entries = entries.iter().map(|entry| self.entry(key, level, entry));
        entries.collect()
    }

    /// One entry of the array of tables.
    fn entry(
        &self,
        key: &'static str,
        level: &'static Level,
        entry: &'t Value<'d>,
    ) -> Result<Table<'t, 'd>, ConfigError> {
        let table = Table {
            document: self.document,
            level,
            table: entry
                .get_ref()
                .as_table()
                .ok_or_else(|| self.wrong_type(key, "an array of tables", entry))?,
            position: self.document.position(entry.span()),
        };
        table.refuse_unknown()?;
        Ok(table)
    }

    /// Refuses keys that the level has not. Callers do so before they read any: a typo in
    /// an optional key would otherwise be its default.
    pub(super) fn refuse_unknown(&self) -> Result<(), ConfigError> {
        let known = self.level.keys;
        let unknown = self
            .table
            .keys()
            .filter(|key| !known.contains(&&**key.get_ref()));
        // The map is sorted by name; the first in the file is the one to fix first.
        match unknown.min_by_key(|key| key.span().start) {
            None => Ok(()),
            Some(key) => Err(ConfigError::UnknownKey {
                key: shortened(key.get_ref()),
                level: self.level.name,
                meant: Meant::by(key.get_ref(), self.level),
                position: self.document.position(key.span()),
            }),
        }
    }

    /// A value that has to be there, of any type. The error has the table's position.
    pub(super) fn required(&self, key: &'static str) -> Result<&'t Value<'d>, ConfigError> {
        self.table.get(key).ok_or_else(|| ConfigError::MissingKey {
            key,
            level: self.level.name,
            position: self.position.clone(),
        })
    }

    /// A string that is present and not empty.
    pub(super) fn required_text(&self, key: &'static str) -> Result<Text<'t>, ConfigError> {
        self.required(key).and_then(|value| self.filled(key, value))
    }

    /// A string that is absent or not empty. Empty is neither: a template whose variable
    /// was not set must not turn a key into its default.
    pub(super) fn optional_text(&self, key: &'static str) -> Result<Option<Text<'t>>, ConfigError> {
        let value = self.table.get(key);
        value.map(|value| self.filled(key, value)).transpose()
    }

    fn filled(&self, key: &'static str, value: &'t Value<'d>) -> Result<Text<'t>, ConfigError> {
        let (text, position) = self.text(key, value)?;
        if text.is_empty() {
            return Err(ConfigError::Empty { key, position });
        }
        Ok((text, position))
    }

    /// A string, which may be empty: of annotations alone.
    pub(super) fn text(
        &self,
        key: &'static str,
        value: &'t Value<'d>,
    ) -> Result<Text<'t>, ConfigError> {
        match value.get_ref().as_str() {
            Some(text) => Ok((text, self.document.position(value.span()))),
            None => Err(self.wrong_type(key, "a string", value)),
        }
    }

    /// The error of a value of another type; `wanted` is how a sentence names the right
    /// one. The value is not repeated.
    pub(super) fn wrong_type(
        &self,
        key: &'static str,
        wanted: &'static str,
        value: &Value<'_>,
    ) -> ConfigError {
        ConfigError::WrongType {
            key,
            wanted,
            found: type_of(value.get_ref()),
            position: self.document.position(value.span()),
        }
    }
}
