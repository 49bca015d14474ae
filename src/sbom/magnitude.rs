//! Whether a decimal number, read digit by digit, is infinite as a float64.

use std::cmp::Ordering;

/// 2^1024 - 2^970, from which on a number rounds to infinity in a float64.
const INFINITE: &[u8] = b"\
    1797693134862315807937289714053034150799341327100378269361737789\
    8044496829276475094664901797758720709633028641669288791094655554\
    7851940402630657488671505820681908902000708383676273854845817711\
    5317644757302700698555713669596228429148198608349364752927190741\
    68444365510704342711559699508093042880177904174497792";

/// A number's size, without its digits: it is `0.d1d2d3… × 10^point`, and the
/// digits seen so far compare with those of [`INFINITE`] as `order` says.
pub(super) struct Magnitude {
    digits: usize,
    order: Ordering,
    point: i64,
    exponent: i64,
    pub(super) negative_exponent: bool,
}

impl Default for Magnitude {
    fn default() -> Self {
        Self {
            digits: 0,
            order: Ordering::Equal,
            point: 0,
            exponent: 0,
            negative_exponent: false,
        }
    }
}

impl Magnitude {
    pub(super) fn integer(&mut self, byte: u8) {
        if self.digits > 0 || matches!(byte, b'1'..=b'9') {
            self.point += 1;
            self.significant(byte);
        }
    }

    pub(super) fn fraction(&mut self, byte: u8) {
        if self.digits == 0 && byte == b'0' {
            self.point -= 1;
        } else {
            self.significant(byte);
        }
    }

    fn significant(&mut self, byte: u8) {
        if let (Ordering::Equal, Some(digit)) = (self.order, INFINITE.get(self.digits)) {
            self.order = byte.cmp(digit);
        }
        self.digits += 1;
    }

    pub(super) fn exponent(&mut self, byte: u8) {
        let digit = i64::from(byte.saturating_sub(b'0'));
        self.exponent = self.exponent.saturating_mul(10).saturating_add(digit);
    }

    pub(super) fn is_infinite(&self) -> bool {
        let exponent = match self.negative_exponent {
            true => -self.exponent,
            false => self.exponent,
        };
        let infinite_digits = match self.order {
            Ordering::Less => false,
            Ordering::Equal => self.digits >= INFINITE.len(),
            Ordering::Greater => true,
        };
        match self
            .point
            .saturating_add(exponent)
            .cmp(&(INFINITE.len() as i64))
        {
            Ordering::Less => false,
            Ordering::Equal => infinite_digits,
            Ordering::Greater => self.digits > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::Validator;
    use super::*;

    #[test]
    fn numbers_that_are_infinite_as_float64_are_reported_as_the_standard_library_parses_them() {
        let limit = std::str::from_utf8(INFINITE).unwrap();
        let below = format!("{}1", &limit[..limit.len() - 1]);
        let mut numbers: Vec<String> = [
            "0",
            "0e999999999999999999999",
            "0.000e400",
            "1e308",
            "1.7976931348623157e308",
            "1.7976931348623158e308",
            "1.7976931348623159e308",
            "1.797693134862315807e308",
            "1.797693134862315808e308",
            "1e309",
            "1E+400",
            "1e-400",
            "-1e400",
            "-1e308",
            "17976931348623157e292",
            "17976931348623159e292",
            "0.00017976931348623159e312",
            "0.00017976931348623157e312",
            "0.0000000001e318",
            "0.0000000001e319",
            "123456789012345678901234567890",
            "1e99999999999999999999999999",
            "1e-99999999999999999999",
        ]
        .map(str::to_owned)
        .to_vec();
        numbers.extend([
            limit.to_owned(),
            below.clone(),
            format!("{below}.999"),
            format!("{limit}.0"),
        ]);
        numbers.extend([
            format!("{limit}0e-1"),
            format!("{below}0e-1"),
            format!("{below}e-1"),
        ]);
        numbers.extend([
            format!("0.{limit}e309"),
            format!("0.{below}e309"),
            "9".repeat(308),
        ]);
        numbers.extend([
            "9".repeat(309),
            format!("0.{}1e700", "0".repeat(400)),
            "1".repeat(10_000),
        ]);
        let mut infinite = 0;
        for number in numbers {
            let expected = number.parse::<f64>().unwrap().is_infinite();
            let text = format!("{{\"a\":[{number}]}}");
            let mut validator = Validator::default();
            validator.feed(text.as_bytes()).unwrap();
            let remarks = validator.finish().unwrap();
            assert_eq!(remarks.exceeds_float64, expected, "{number}");
            infinite += usize::from(expected);
        }
        assert!(infinite > 10);
    }
}
