//! Cyclic redundancy checks over tables computed at compile time.

/// CRC16/XMODEM (polynomial 0x1021, initial value 0), where the register is 32 bits wide and keeps what is shifted
/// out of the low 16, as in Netflix Dynomite. The low 16 bits are the usual CRC.
pub(super) fn crc16_wide(key: &[u8]) -> u32 {
    key.iter().fold(0, |crc, byte| (crc << 8) ^ u32::from(CRC16[0][usize::from((crc >> 8) as u8 ^ byte)]))
}

/// CRC16/XMODEM. Takes four bytes at a time, because each step waits for the one before: with `redis-slot` this is on
/// the path of every request.
pub(super) fn crc16(key: &[u8]) -> u16 {
    let (blocks, tail) = key.as_chunks::<4>();
    let crc = blocks.iter().fold(0_u16, |crc, [a, b, c, d]| {
        let [high, low] = crc.to_be_bytes();
        CRC16[3][usize::from(high ^ a)]
            ^ CRC16[2][usize::from(low ^ b)]
            ^ CRC16[1][usize::from(*c)]
            ^ CRC16[0][usize::from(*d)]
    });
    tail.iter().fold(crc, |crc, byte| (crc << 8) ^ CRC16[0][usize::from((crc >> 8) as u8 ^ byte)])
}

/// CRC-32 of IEEE 802.3 (reflected polynomial 0xEDB88320).
pub(super) fn crc32(key: &[u8]) -> u32 {
    !key.iter().fold(!0, |crc, byte| (crc >> 8) ^ CRC32[usize::from(crc as u8 ^ byte)])
}

/// Table `n` holds what a byte leaves in the register when `n` more bytes follow it.
const CRC16: [[u16; 256]; 4] = {
    let mut tables = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut table = 0;
        while table < 4 {
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
                bit += 1;
            }
            tables[table][byte] = crc;
            table += 1;
        }
        byte += 1;
    }
    tables
};

const CRC32: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ 0xEDB8_8320 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};
