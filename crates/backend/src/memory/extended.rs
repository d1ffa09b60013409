//! The 80-bit floating point numbers of x86, in which Redis computes `INCRBYFLOAT`: 64 bits of mantissa, so that
//! 10.5 + 0.1 is 10.6 and not 10.59999999999999964.
//!
//! Numbers are rounded to the nearest, ties to even, after reading and after adding, as the processor does. Numbers below
//! 2⁻¹⁶³⁸² keep more bits than there, which no result of 17 decimals can show.

use std::fmt;

use natural::Natural;

mod natural;

/// Redis refuses numbers of more bytes than this.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;
/// The greatest exponent of a leading bit, and the least of a number that isn't zero.
const EXPONENT_MAX: i32 = 16383;
const EXPONENT_MIN: i32 = -16446;
/// Decimals that are written.
const DECIMALS: usize = 17;

/// `± mantissa · 2^exponent`; the mantissa's highest bit is set, or the number is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extended {
    negative: bool,
    infinite: bool,
    mantissa: u64,
    exponent: i32,
}

impl Extended {
    pub(crate) const ZERO: Self = Self { negative: false, infinite: false, mantissa: 0, exponent: 0 };

    /// Reads a number as `strtold` does, but all of the text, and neither NaN nor what is too large or too small.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let infinite = unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity");
        let number = if infinite {
            Self { infinite, ..Self::ZERO }
        } else if let Some(hex) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
            parse_hex(hex)?
        } else {
            parse_decimal(unsigned)?
        };
        Some(Self { negative, ..number })
    }

    pub(crate) fn is_infinite(self) -> bool {
        self.infinite
    }

    /// The sum; `None` when it is infinite or undefined.
    pub(crate) fn add(self, other: Self) -> Option<Self> {
        if self.infinite || other.infinite {
            return None;
        }
        let (large, small) =
            if self.magnitude() >= other.magnitude() { (self, other) } else { (other, self) };
        if small.mantissa == 0 {
            return Some(if large.mantissa == 0 { Self::ZERO } else { large });
        }
        let distance = (large.exponent - small.exponent) as u32;
        // One bit above for the carry, 63 below; what falls out beneath only decides the rounding.
        let (high, mut low) = (u128::from(large.mantissa) << 63, u128::from(small.mantissa) << 63);
        let lost = distance >= 128 || low & ((1 << distance) - 1) != 0;
        low = low.checked_shr(distance).unwrap_or(0) | u128::from(lost);
        let sum = if large.negative == small.negative { high + low } else { high - low };
        Self::rounded(large.negative, sum, large.exponent - 63, false)
    }

    /// For comparing magnitudes of finite numbers.
    fn magnitude(self) -> (bool, i32, u64) {
        (self.mantissa != 0, self.exponent, self.mantissa)
    }

    /// The nearest number to `± (bits, and a little more if sticky) · 2^exponent`; `None` when it is out of range.
    fn rounded(negative: bool, bits: u128, exponent: i32, sticky: bool) -> Option<Self> {
        if bits == 0 {
            return Some(Self::ZERO);
        }
        let surplus = 64 - bits.leading_zeros() as i32;
        let (mut mantissa, mut exponent) = (bits, exponent);
        if surplus > 0 {
            let half = 1u128 << (surplus - 1);
            let rest = bits & ((half << 1) - 1);
            mantissa >>= surplus;
            exponent += surplus;
            mantissa += u128::from(rest > half || (rest == half && (sticky || mantissa & 1 == 1)));
            if mantissa >> 64 != 0 {
                mantissa >>= 1;
                exponent += 1;
            }
        } else {
            mantissa <<= -surplus;
            exponent += surplus;
        }
        let leading = exponent + 63;
        let in_range = (EXPONENT_MIN..=EXPONENT_MAX).contains(&leading);
        in_range.then_some(Self { negative, infinite: false, mantissa: mantissa as u64, exponent })
    }
}

/// As `printf("%.17Lf")`, without the zeros at the end.
impl fmt::Display for Extended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.exponent >= 0 {
            let mut whole = Natural::from(self.mantissa);
            whole.shift_left(self.exponent as u32);
            format!("{whole}{}", "0".repeat(DECIMALS))
        } else {
            let scaled = u128::from(self.mantissa) * 10u128.pow(DECIMALS as u32);
            let shift = self.exponent.unsigned_abs();
            let quotient = scaled.checked_shr(shift).unwrap_or(0);
            let rest = scaled - quotient.checked_shl(shift).unwrap_or(0);
            let half = 1u128.checked_shl(shift - 1).unwrap_or(u128::MAX);
            let up = rest > half || (rest == half && quotient & 1 == 1);
            format!("{:0>width$}", quotient + u128::from(up), width = DECIMALS + 1)
        };
        let (whole, decimals) = digits.split_at(digits.len() - DECIMALS);
        let decimals = decimals.trim_end_matches('0');
        let is_zero = whole == "0" && decimals.is_empty();
        let sign = if self.negative && !is_zero { "-" } else { "" };
        let point = if decimals.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{decimals}")
    }
}

fn parse_decimal(text: &str) -> Option<Extended> {
    let (digits, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = || whole.bytes().chain(fraction.bytes());
    if all().next().is_none() || !all().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut numerator = Natural::from(0);
    for digit in all() {
        numerator.multiply_add(10, u32::from(digit - b'0'));
    }
    if numerator.is_zero() {
        return Some(Extended::ZERO);
    }
    let exponent = exponent - fraction.len() as i32;
    // Beyond these nothing can be in range, whatever the digits; so the numbers below stay small.
    if !(-11_000..=5_000).contains(&exponent) {
        return None;
    }
    let mut denominator = Natural::from(1);
    let scaled = if exponent > 0 { &mut numerator } else { &mut denominator };
    (0..exponent.unsigned_abs()).for_each(|_| scaled.multiply_add(10, 0));
    let shift = 66 + denominator.bit_len() as i32 - numerator.bit_len() as i32;
    let (scaled, bits) = if shift > 0 { (&mut numerator, shift) } else { (&mut denominator, -shift) };
    scaled.shift_left(bits as u32);
    let (quotient, exact) = numerator.divide(denominator);
    Extended::rounded(false, quotient, -shift, !exact)
}

/// `h.hhhp±d`, the part behind `0x`.
fn parse_hex(text: &str) -> Option<Extended> {
    let (digits, exponent) = match text.find(['p', 'P']) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut bits: u128 = 0;
    if whole.is_empty() && fraction.is_empty() || digits.len() > 32 {
        return None;
    }
    for digit in whole.chars().chain(fraction.chars()) {
        bits = bits.checked_mul(16)? | u128::from(digit.to_digit(16)?);
    }
    Extended::rounded(false, bits, exponent - 4 * fraction.len() as i32, false)
}

/// A signed exponent, held to what can't overflow.
fn parse_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse::<i32>().unwrap_or(i32::MAX).min(100_000);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        Some(Extended::parse(a.as_bytes())?.add(Extended::parse(b.as_bytes())?)?.to_string())
    }

    #[test]
    fn sums_are_those_of_the_processor() {
        for (a, b, expected) in [
            ("10.5", "0.1", "10.6"),
            ("1000", "0.1", "1000.09999999999999998"),
            ("5", "0x10", "21"),
            ("3", "-3", "0"),
            ("-0.0", "0", "0"),
            ("1e-20", "0", "0"),
            ("-1e-20", "0", "0"),
            ("0.1", "0.2", "0.3"),
            ("1e19", "1", "10000000000000000001"),
            ("5.0e3", "2.0e2", "5200"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("1", "1e-30", "1"),
        ] {
            assert_eq!(sum(a, b).as_deref(), Some(expected), "{a} + {b}");
        }
        assert_eq!(sum("1e300", "0").map(|text| text.len()), Some(301));
    }

    #[test]
    fn what_redis_refuses_is_refused() {
        for text in
            ["", "abc", "nan", " 1", "1 ", "1e", ".", "1e5000", "1e-5000", "0x", "--1", "1e99999999999"]
        {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(sum("inf", "1"), None);
        assert_eq!(sum("1e4932", "1e4932"), None);
    }
}
