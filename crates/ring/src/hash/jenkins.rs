//! Bob Jenkins's lookup3 (`hashlittle`, 2006), with the initial value that libmemcached gave it.

const INITIAL: u32 = 13;

pub(super) fn lookup3(key: &[u8]) -> u32 {
    let start = 0xDEAD_BEEF_u32.wrapping_add(key.len() as u32).wrapping_add(INITIAL);
    let mut state = [start; 3];
    // The last block, full or not, is mixed differently, so a full one must not be eaten by the loop.
    let mut rest = key;
    while rest.len() > 12 {
        let (block, tail) = rest.split_at(12);
        add(&mut state, block);
        mix(&mut state);
        rest = tail;
    }
    if !rest.is_empty() {
        add(&mut state, rest);
        finish(&mut state);
    }
    state[2]
}

/// Adds up to twelve bytes as three little-endian words; missing bytes count as zero.
fn add(state: &mut [u32; 3], block: &[u8]) {
    for (word, bytes) in state.iter_mut().zip(block.chunks(4)) {
        let value = bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
        *word = word.wrapping_add(value);
    }
}

fn mix([a, b, c]: &mut [u32; 3]) {
    let turn = |x: &mut u32, y: &mut u32, z: &mut u32, by: u32| {
        *x = x.wrapping_sub(*z) ^ z.rotate_left(by);
        *z = z.wrapping_add(*y);
    };
    turn(a, b, c, 4);
    turn(b, c, a, 6);
    turn(c, a, b, 8);
    turn(a, b, c, 16);
    turn(b, c, a, 19);
    turn(c, a, b, 4);
}

fn finish([a, b, c]: &mut [u32; 3]) {
    let turn = |x: &mut u32, y: &u32, by: u32| *x = (*x ^ y).wrapping_sub(y.rotate_left(by));
    turn(c, b, 14);
    turn(a, c, 11);
    turn(b, a, 25);
    turn(c, b, 16);
    turn(a, c, 4);
    turn(b, a, 14);
    turn(c, b, 24);
}
