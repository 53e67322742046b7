//! Sizes and durations as people read them; machines get plain numbers.

use std::time::Duration;

/// `bytes` with a binary unit and one decimal: `17 B`, `1.5 GiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the unit in integers: a float would round 2^64 - 1 wrongly.
    let mut unit = 0;
    let mut size = u128::from(bytes);
    let mut scale = 1024_u128;
    while unit + 1 < UNITS.len() && tenths(size, scale) >= 10_240 {
        unit += 1;
        scale *= 1024;
    }
    size = tenths(size, scale);
    format!("{}.{} {}", size / 10, size % 10, UNITS[unit])
}

/// `size / scale` in tenths, rounded half up.
fn tenths(size: u128, scale: u128) -> u128 {
    (size * 10 + scale / 2) / scale
}

/// The two largest units of `duration`: `250 ms`, `45 s`, `3 min 4 s`, `2 h 3 min`, `5 d 1 h`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (large, large_name, small, small_name) = match seconds {
        0 => return format!("{} ms", duration.as_millis()),
        1..60 => return format!("{seconds} s"),
        60..3600 => (seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => (seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => (seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    };
    match small {
        0 => format!("{large} {large_name}"),
        _ => format!("{large} {large_name} {small} {small_name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (size, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536 << 20, "1.5 GiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (13_287_936, "12.7 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn durations() {
        for (millis, text) in [
            (0, "0 ms"),
            (250, "250 ms"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (184_000, "3 min 4 s"),
            (7_380_000, "2 h 3 min"),
            (3_600_000, "1 h"),
            (435_600_000, "5 d 1 h"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
