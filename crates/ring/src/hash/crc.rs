//! Cyclic redundancy checks over tables computed at compile time.

/// CRC16/XMODEM (polynomial 0x1021, initial value 0), where the register is 32 bits wide and keeps what is shifted
/// out of the low 16, as in Netflix Dynomite. The low 16 bits are the usual CRC.
pub(super) fn crc16_wide(key: &[u8]) -> u32 {
    key.iter().fold(0, |crc, byte| (crc << 8) ^ u32::from(CRC16[usize::from((crc >> 8) as u8 ^ byte)]))
}

/// CRC-32 of IEEE 802.3 (reflected polynomial 0xEDB88320).
pub(super) fn crc32(key: &[u8]) -> u32 {
    !key.iter().fold(!0, |crc, byte| (crc >> 8) ^ CRC32[usize::from(crc as u8 ^ byte)])
}

const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
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
