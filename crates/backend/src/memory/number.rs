//! Numbers in text, read and written exactly as Redis 7.0 does.

use dynomite_codec::Request;

use super::fault::Fault;

/// Random members that may repeat are given at most this often; Redis has no limit here.
const REPEATED_MAX: usize = 1 << 20;

/// Reads a canonical integer: no sign but a minus, no leading zeros, nothing around it.
pub(crate) fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut magnitude: u64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// Argument `index` as an integer.
pub(crate) fn integer_arg(request: &Request, index: usize) -> Result<i64, Fault> {
    parse_integer(request.arg(index)).ok_or(Fault::NOT_INTEGER)
}

/// Argument `index` as a count that must not be negative.
pub(crate) fn count_arg(request: &Request, index: usize) -> Result<usize, Fault> {
    let count = parse_integer(request.arg(index)).ok_or(Fault::NOT_POSITIVE)?;
    usize::try_from(count).map_err(|_| Fault::NOT_POSITIVE)
}

/// Argument `index` as a double.
pub(crate) fn float_arg(request: &Request, index: usize) -> Result<f64, Fault> {
    parse_float(request.arg(index)).ok_or(Fault::NOT_FLOAT)
}

/// Argument `index` as a double with which a range of scores begins or ends. Unlike elsewhere, what is too large is
/// infinite, what is too small is zero, and nothing at all is zero too.
pub(crate) fn parse_bound(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    let text = text.trim_ascii_start();
    let is_number = text.iter().any(u8::is_ascii_digit);
    let lenient = || std::str::from_utf8(text).ok()?.parse::<f64>().ok();
    parse_float(text).or_else(|| if is_number { lenient() } else { None })
}

/// How many random members a command asks for: as a count, and whether the same may come more than once.
pub(crate) fn pick_arg(request: &Request, index: usize) -> Result<(usize, bool), Fault> {
    let count = integer_arg(request, index)?;
    let magnitude = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count == i64::MIN {
        return Err(Fault::OUT_OF_LONG);
    }
    if count < 0 && magnitude > REPEATED_MAX {
        return Err(Fault::OUT_OF_RANGE);
    }
    Ok((magnitude, count < 0))
}

/// Reads a double as C's `strtod` does, but all of the text, and neither NaN nor what is too large or too small.
pub(crate) fn parse_float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if let Some(hex) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        let value = parse_hex(hex)?;
        return Some(if text.starts_with('-') { -value } else { value });
    }
    let value: f64 = text.parse().ok()?;
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return (!value.is_nan()).then_some(value);
    }
    let mantissa = unsigned.split(['e', 'E']).next().unwrap_or_default();
    let underflow = value == 0.0 && mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    (value.is_finite() && !underflow).then_some(value)
}

/// A double as `printf("%.17g")` writes it.
pub(crate) fn format_float(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if value.abs() < 1e15 && value.fract() == 0.0 {
        return (value as i64).to_string();
    }
    let scientific = format!("{value:.16e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("an exponent follows");
    let exponent: i32 = exponent.parse().expect("the exponent is an integer");
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..17).contains(&exponent) {
        return trim(&format!("{value:.*}", (16 - exponent) as usize));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
}

/// `h.hhhp±d`, the part behind `0x`.
fn parse_hex(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || digits.len() > 16 || exponent.abs() > 1000 {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let value = value * f64::powi(2.0, exponent - 4 * fraction.len() as i32);
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers_are_integers() {
        for (text, value) in
            [("0", 0), ("-1", -1), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)]
        {
            assert_eq!(parse_integer(text.as_bytes()), Some(value));
        }
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-0",
            " 1",
            "1 ",
            "1a",
            "9223372036854775808",
            "-9223372036854775809",
            "1.0",
        ] {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn doubles_are_read_as_by_strtod() {
        for (text, value) in [
            ("1", 1.0),
            ("+1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("0x1F", 31.0),
            ("-0x1p-1", -0.5),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0e-999", 0.0),
            ("5e-324", 5e-324),
        ] {
            assert_eq!(parse_float(text.as_bytes()), Some(value), "{text}");
        }
        for text in ["", "abc", "nan", "1e999", "1e-999", " 1", "1 ", "0x", "1e", "--1", "in"] {
            assert_eq!(parse_float(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn doubles_are_written_as_by_printf() {
        for (value, text) in [
            (0.1, "0.10000000000000001"),
            (3.0, "3"),
            (1e17, "1e+17"),
            (1e16, "10000000000000000"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (1.5e-7, "1.4999999999999999e-07"),
            (-2.5, "-2.5"),
            (f64::INFINITY, "inf"),
            (0.0001, "0.0001"),
            (1e300, "1.0000000000000001e+300"),
        ] {
            assert_eq!(format_float(value), text);
        }
    }
}
