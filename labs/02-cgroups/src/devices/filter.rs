//! The device filter of cgroup v2: where v1 had a list of rules, v2 asks a program.
//!
//! The kernel runs it whenever a process of the group opens or makes a device node, with the kind
//! of device, the numbers and the access in its context; 1 allows, 0 is EPERM. The language is
//! eBPF: ten registers of 64 bits, and an instruction is 8 bytes. The last rule that matches wins,
//! so they are asked from the last to the first.
//!
//! Source: linux/bpf.h, `struct bpf_cgroup_dev_ctx`; cgroup-v2.rst, "Device controller"; bpf(2).

use super::{Access, Kind, Rule};
use crate::sys::Instruction;

/// Registers: 0 is the verdict, 1 the context and then free.
const VERDICT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// linux/bpf_common.h and linux/bpf.h: class, size, mode, operation, source.
const LOAD_WORD: u8 = 0x61;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const MOVE: u8 = 0xb7;
const MOVE_REGISTER: u8 = 0xbf;
const JUMP_NOT_EQUAL: u8 = 0x55;
const JUMP_NOT_EQUAL_REGISTER: u8 = 0x5d;
const EXIT: u8 = 0x95;

/// BPF_DEVCG_DEV_BLOCK, _CHAR; the bits of BPF_DEVCG_ACC_* are those of [`Access`].
const BLOCK: i32 = 1;
const CHAR: i32 = 2;

/// The program for these rules; what no rule names is allowed, as in a fresh v1 group.
pub(super) fn compile(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = vec![
        op(LOAD_WORD, KIND, CONTEXT, 0, 0),
        op(AND, KIND, 0, 0, 0xffff),
        op(LOAD_WORD, ACCESS, CONTEXT, 0, 0),
        op(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        op(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        op(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules.iter().rev() {
        let tests = tests(rule);
        let length = tests.len();
        let decides_all = tests.is_empty();
        for (index, mut test) in tests.into_iter().enumerate() {
            if test.code == JUMP_NOT_EQUAL || test.code == JUMP_NOT_EQUAL_REGISTER {
                // To the next rule: over the tests that are left and the two that return.
                test.offset = (length - index - 1 + 2) as i16;
            }
            program.push(test);
        }
        program.extend(verdict(rule.allow));
        if decides_all {
            // The verifier refuses instructions that are never reached.
            return program;
        }
    }
    program.extend(verdict(true));
    program
}

/// What must hold for a rule; each jump leads to the next rule.
fn tests(rule: &Rule) -> Vec<Instruction> {
    let mut tests = Vec::new();
    match rule.kind {
        Kind::Block => tests.push(op(JUMP_NOT_EQUAL, KIND, 0, 0, BLOCK)),
        Kind::Char => tests.push(op(JUMP_NOT_EQUAL, KIND, 0, 0, CHAR)),
        Kind::All => {}
    }
    if rule.access != Access::ALL {
        // Everything that is asked for must be in the rule.
        tests.push(op(MOVE_REGISTER, CONTEXT, ACCESS, 0, 0));
        tests.push(op(AND, CONTEXT, 0, 0, rule.access.0.into()));
        tests.push(op(JUMP_NOT_EQUAL_REGISTER, CONTEXT, ACCESS, 0, 0));
    }
    for (register, number) in [(MAJOR, rule.major), (MINOR, rule.minor)] {
        if let Some(number) = number {
            // As the kernel's verifier reads it: 32 bits without a sign.
            tests.push(op(JUMP_NOT_EQUAL, register, 0, 0, number.cast_signed()));
        }
    }
    tests
}

fn verdict(allow: bool) -> [Instruction; 2] {
    [op(MOVE, VERDICT, 0, 0, allow.into()), op(EXIT, 0, 0, 0, 0)]
}

fn op(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: from << 4 | to, offset, immediate }
}

#[cfg(test)]
mod tests {
    use super::{super::ANY, *};

    /// What the kernel does with the program.
    fn judge(program: &[Instruction], kind: i32, access: i32, major: i64, minor: i64) -> bool {
        let context = [i64::from(access << 16 | kind), major, minor];
        let mut registers = [0i64; 16];
        let mut at = 0;
        loop {
            let Instruction { code, registers: pair, offset, immediate } = program[at];
            let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
            at += 1;
            match code {
                LOAD_WORD => registers[to] = context[offset as usize / 4],
                AND => registers[to] &= i64::from(immediate),
                SHIFT_RIGHT => registers[to] >>= immediate,
                MOVE => registers[to] = immediate.into(),
                MOVE_REGISTER => registers[to] = registers[from],
                JUMP_NOT_EQUAL if registers[to] != i64::from(immediate) => at += offset as usize,
                JUMP_NOT_EQUAL_REGISTER if registers[to] != registers[from] => {
                    at += offset as usize
                }
                JUMP_NOT_EQUAL | JUMP_NOT_EQUAL_REGISTER => {}
                EXIT => return registers[0] == 1,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    fn rule(
        allow: bool,
        kind: Kind,
        (major, minor): (Option<u32>, Option<u32>),
        access: &str,
    ) -> Rule {
        Rule { allow, kind, major, minor, access: Access::of(access).unwrap() }
    }

    #[test]
    fn the_last_rule_that_matches_wins() {
        let program = compile(&[
            rule(false, Kind::All, (ANY, ANY), "rwm"),
            rule(true, Kind::Char, (Some(1), Some(3)), "rw"),
            rule(true, Kind::Block, (Some(8), ANY), "r"),
        ]);
        let (read, write, mknod) = (2, 4, 1);
        assert!(judge(&program, CHAR, read, 1, 3));
        assert!(judge(&program, CHAR, read | write, 1, 3));
        assert!(!judge(&program, CHAR, mknod, 1, 3));
        assert!(!judge(&program, CHAR, read, 1, 5));
        assert!(!judge(&program, BLOCK, read, 1, 3));
        assert!(judge(&program, BLOCK, read, 8, 7));
        assert!(!judge(&program, BLOCK, read | write, 8, 7));
    }

    #[test]
    fn what_no_rule_names_is_allowed() {
        assert!(judge(&compile(&[]), CHAR, 2, 1, 1));
    }
}
