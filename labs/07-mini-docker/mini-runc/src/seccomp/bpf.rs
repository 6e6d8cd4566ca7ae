//! Classic BPF: the five instructions that a filter needs, written back to front.
//!
//! Jumps only go forward and count the instructions that they skip; a conditional jump skips at
//! most 255. Writing the program from its end makes every target known when the jump to it is
//! written, and a far target is reached over an unconditional jump, which has 32 bits.
//!
//! Source: the kernel's networking/filter.rst; linux/bpf_common.h.

use libc::sock_filter;

/// Offsets in struct seccomp_data (linux/seccomp.h).
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCHITECTURE: u32 = 4;

/// Where the low and the high half of an argument lie, on a little-endian machine.
pub(super) fn argument(index: u32) -> (u32, u32) {
    let low = 16 + 8 * index;
    (low, low + 4)
}

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const GREATER: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// A comparison of the loaded word with a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Equal(u32),
    Greater(u32),
    AtLeast(u32),
}

/// A place in the program: how many instructions follow it, itself included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(usize);

/// A program that grows at its beginning.
#[derive(Debug, Default)]
pub(super) struct Program {
    reversed: Vec<sock_filter>,
}

impl Program {
    /// The place of the instruction that was written last.
    pub(super) fn here(&self) -> Place {
        Place(self.reversed.len())
    }

    fn push(&mut self, code: u16, k: u32, jt: u8, jf: u8) -> Place {
        self.reversed.push(sock_filter { code, jt, jf, k });
        self.here()
    }

    /// `return action`
    pub(super) fn ret(&mut self, action: u32) -> Place {
        self.push(RETURN, action, 0, 0)
    }

    /// `A = data[offset]`
    pub(super) fn load(&mut self, offset: u32) -> Place {
        self.push(LOAD, offset, 0, 0)
    }

    /// `A &= mask`
    pub(super) fn and(&mut self, mask: u32) -> Place {
        self.push(AND, mask, 0, 0)
    }

    /// `goto place`; nothing, where that comes next anyway.
    pub(super) fn goto(&mut self, place: Place) -> Place {
        match self.skipped(place) {
            0 => self.here(),
            skipped => self.push(JUMP, skipped as u32, 0, 0),
        }
    }

    /// `if test goto yes else goto no`
    pub(super) fn branch(&mut self, test: Test, yes: Place, no: Place) -> Place {
        // A far target is reached over a jump that is written just behind the branch. Each such
        // jump moves both targets one further, so both are settled before either is counted.
        let far = |place, program: &Self| program.skipped(place) + 2 > u8::MAX as usize;
        let yes = if far(yes, self) { self.goto(yes) } else { yes };
        let no = if far(no, self) { self.goto(no) } else { no };
        let (jt, jf) = (self.skipped(yes) as u8, self.skipped(no) as u8);
        let (code, k) = match test {
            Test::Equal(k) => (EQUAL, k),
            Test::Greater(k) => (GREATER, k),
            Test::AtLeast(k) => (AT_LEAST, k),
        };
        self.push(code, k, jt, jf)
    }

    /// How many instructions lie between the next one to be written and `place`.
    fn skipped(&self, place: Place) -> usize {
        self.reversed.len() - place.0
    }

    /// The program, front first.
    pub(super) fn finish(mut self) -> Vec<sock_filter> {
        self.reversed.reverse();
        self.reversed
    }
}

/// A program as it lies in memory: 8 bytes an instruction.
pub(crate) fn to_bytes(program: &[sock_filter]) -> Vec<u8> {
    let bytes = |it: &sock_filter| {
        let ([a, b], [c, d, e, f]) = (it.code.to_ne_bytes(), it.k.to_ne_bytes());
        [a, b, it.jt, it.jf, c, d, e, f]
    };
    program.iter().flat_map(bytes).collect()
}

/// What the kernel does with a filter, for tests.
#[cfg(test)]
pub(super) fn judge(
    program: &[sock_filter],
    architecture: u32,
    number: u32,
    args: [u64; 6],
) -> u32 {
    let mut data = [0u8; 64];
    data[..4].copy_from_slice(&number.to_le_bytes());
    data[4..8].copy_from_slice(&architecture.to_le_bytes());
    for (index, arg) in args.iter().enumerate() {
        data[16 + 8 * index..24 + 8 * index].copy_from_slice(&arg.to_le_bytes());
    }
    let (mut at, mut loaded) = (0, 0u32);
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        at += 1;
        let skip = |yes: bool| usize::from(if yes { jt } else { jf });
        match code {
            LOAD => {
                let word = &data[k as usize..k as usize + 4];
                loaded = u32::from_le_bytes(word.try_into().unwrap());
            }
            AND => loaded &= k,
            JUMP => at += k as usize,
            EQUAL => at += skip(loaded == k),
            GREATER => at += skip(loaded > k),
            AT_LEAST => at += skip(loaded >= k),
            RETURN => return k,
            other => panic!("instruction {other:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_target_is_reached_over_a_jump() {
        let mut program = Program::default();
        let no = program.ret(1);
        let yes = program.ret(2);
        for _ in 0..600 {
            program.ret(3);
        }
        program.branch(Test::Equal(7), yes, no);
        program.load(NUMBER);
        let program = program.finish();
        assert_eq!(judge(&program, 0, 7, [0; 6]), 2);
        assert_eq!(judge(&program, 0, 8, [0; 6]), 1);
    }
}
