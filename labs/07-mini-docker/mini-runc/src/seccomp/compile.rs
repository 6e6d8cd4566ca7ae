//! The compiler: a profile in, a filter out.
//!
//! ```text
//!   load architecture          which table of numbers?
//!   load number
//!   binary search ─────> no rule ──> is it newer than every call the profile knows? ENOSYS
//!        │                           else the default action
//!        └─> this call's rules: arguments compared, in the profile's order ──> action
//! ```
//!
//! A linear list of 350 comparisons would cost each call some microseconds; a binary search over
//! ranges of numbers that are treated alike costs seven. A call that is newer than all that the profile names gets ENOSYS and not the
//! default EPERM, so that programs fall back to the older one, as runc does: whoever wrote the
//! profile could not have meant it.

use std::collections::BTreeMap;

use ground::{Error, Result};
use libc::sock_filter;
use oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompOperator, SeccompRule};

use super::{
    bpf::{ARCHITECTURE, NUMBER, Place, Program, Test, argument},
    listener,
    numbers::{Architecture, X32_BIT},
};

/// The errno of a refused call where the profile names none: EPERM.
const DEFAULT_ERRNO: u32 = libc::EPERM as u32;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// The kernel takes at most this many instructions (BPF_MAXINSNS).
const INSTRUCTIONS_MAX: usize = 4096;

/// Compiles a profile.
///
/// # Errors
/// An action or an argument that means nothing, an architecture that is none, or a program that is
/// too long for the kernel.
pub(crate) fn compile(profile: &Seccomp) -> Result<Vec<sock_filter>> {
    if let Some(index) = profile.syscalls.iter().position(|rule| rule.names.is_empty()) {
        return Err(invalid(&format!("syscalls[{index}].names is empty"))
            .fix("name at least one call, or take the rule away"));
    }
    let architectures = architectures(profile)?;
    let default = action(profile.default_action, profile.default_errno_ret, "defaultErrnoRet")?;
    let mut program = Program::default();
    // Calls of an architecture that the profile does not name would pass by all rules.
    let foreign = program.ret(libc::SECCOMP_RET_KILL_PROCESS);
    let mut next = foreign;
    for audit in audits(&architectures) {
        let tables = Tables { profile, default };
        let ours: Vec<_> = architectures.iter().copied().filter(|it| it.audit() == audit).collect();
        let mut table = tables.numbers(&mut program, &ours)?;
        if ours == [Architecture::X86_64] {
            table = program.branch(Test::AtLeast(X32_BIT), foreign, table);
        }
        program.goto(table);
        let table = program.load(NUMBER);
        next = program.branch(Test::Equal(audit), table, next);
    }
    program.goto(next);
    program.load(ARCHITECTURE);
    let program = program.finish();
    if program.len() > INSTRUCTIONS_MAX {
        return Err(invalid(&format!("it makes {} instructions", program.len())).fix(format!(
            "the kernel takes {INSTRUCTIONS_MAX}: leave architectures or rules out"
        )));
    }
    Ok(program)
}

/// The flags of seccomp(2).
///
/// # Errors
/// A flag that is none.
pub(crate) fn flags(profile: &Seccomp) -> Result<u64> {
    let notify = listener::is_wanted(profile);
    let mut flags = if notify { libc::SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
    for word in &profile.flags {
        flags |= match word.as_str() {
            // Both want the number that the call returns; the process has one thread anyway.
            "SECCOMP_FILTER_FLAG_TSYNC" if notify => 0,
            "SECCOMP_FILTER_FLAG_TSYNC" => libc::SECCOMP_FILTER_FLAG_TSYNC,
            "SECCOMP_FILTER_FLAG_LOG" => libc::SECCOMP_FILTER_FLAG_LOG,
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            // It says how a call waits for the listener, and is refused where there is none.
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" if !notify => 0,
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => {
                libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
            }
            other => {
                let fix = format!("{} are accepted", super::FLAGS.join(", "));
                return Err(invalid(&format!("the flag {other:?} is not known")).fix(fix));
            }
        }
    }
    Ok(flags)
}

fn invalid(why: &str) -> Error {
    Error::new("cannot compile the seccomp profile")
        .why(format!("config.json, linux.seccomp: {why}"))
        .see("2 seccomp")
}

/// Those that the profile names and this kernel runs, with our own in any case.
fn architectures(profile: &Seccomp) -> Result<Vec<Architecture>> {
    let mut all = vec![Architecture::NATIVE];
    for word in &profile.architectures {
        all.extend(Architecture::parse(word)?);
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// The distinct words of seccomp_data.arch, our own last so that it is asked for first.
fn audits(architectures: &[Architecture]) -> Vec<u32> {
    let mut audits: Vec<u32> = architectures.iter().map(|it| it.audit()).collect();
    audits.dedup();
    audits.reverse();
    audits
}

/// What the kernel is to do, as a word of seccomp(2). `field` says where the errno stands.
fn action(action: SeccompAction, asked: Option<u32>, field: &str) -> Result<u32> {
    let errno = asked.unwrap_or(DEFAULT_ERRNO);
    if errno > 4095 {
        return Err(invalid(&format!("{field} {errno} is no errno")).fix("0 to 4095 are accepted"));
    }
    if asked.is_some() && !matches!(action, SeccompAction::Errno | SeccompAction::Trace) {
        return Err(invalid(&format!("{field} is {errno}, and the action beside it returns none"))
            .fix("leave it out, or use SCMP_ACT_ERRNO or SCMP_ACT_TRACE"));
    }
    Ok(match action {
        SeccompAction::Kill | SeccompAction::KillThread => libc::SECCOMP_RET_KILL_THREAD,
        SeccompAction::KillProcess => libc::SECCOMP_RET_KILL_PROCESS,
        SeccompAction::Trap => libc::SECCOMP_RET_TRAP,
        SeccompAction::Errno => libc::SECCOMP_RET_ERRNO | errno,
        SeccompAction::Trace => libc::SECCOMP_RET_TRACE | errno,
        SeccompAction::Allow => libc::SECCOMP_RET_ALLOW,
        SeccompAction::Log => libc::SECCOMP_RET_LOG,
        SeccompAction::Notify => libc::SECCOMP_RET_USER_NOTIF,
    })
}

struct Tables<'a> {
    profile: &'a Seccomp,
    default: u32,
}

/// A call's rules, in the profile's order.
type Rules<'a> = BTreeMap<u32, Vec<&'a SeccompRule>>;

impl Tables<'_> {
    /// The code behind the loaded number, for all architectures of one audit word.
    fn numbers(&self, program: &mut Program, architectures: &[Architecture]) -> Result<Place> {
        let mut rules = Rules::new();
        for rule in &self.profile.syscalls {
            for (name, architecture) in
                rule.names.iter().flat_map(|name| architectures.iter().map(move |it| (name, *it)))
            {
                // A name that this kernel's table does not have is skipped, as the specification
                // wants: profiles list calls of many architectures.
                if let Some(number) = architecture.number(name) {
                    rules.entry(number).or_default().push(rule);
                }
            }
        }
        let default = program.ret(self.default);
        let otherwise = self.newer(program, &rules, default);
        let mut leaves: Leaves = Leaves::new();
        let mut targets = Vec::new();
        for (number, rules) in &rules {
            let target = self.call(program, rules, default, &mut leaves)?;
            targets.push((*number, target));
        }
        Ok(search(program, &ranges(&targets, otherwise)))
    }

    /// Where a call without a rule goes.
    fn newer(&self, program: &mut Program, rules: &Rules<'_>, default: Place) -> Place {
        let harmless = matches!(
            self.profile.default_action,
            SeccompAction::Allow | SeccompAction::Log | SeccompAction::Trace
        );
        if harmless {
            return default;
        }
        let newest = |of_x32: bool| {
            let numbers = rules.keys().filter(|number| (*number & X32_BIT != 0) == of_x32);
            numbers.max().copied()
        };
        let enosys = program.ret(ENOSYS);
        let x32 = newest(true)
            .map_or(default, |newest| program.branch(Test::Greater(newest), enosys, default));
        let own = newest(false)
            .map_or(default, |newest| program.branch(Test::Greater(newest), enosys, default));
        program.branch(Test::AtLeast(X32_BIT), x32, own)
    }

    /// The code for one call.
    fn call(
        &self,
        program: &mut Program,
        rules: &[&SeccompRule],
        default: Place,
        leaves: &mut Leaves,
    ) -> Result<Place> {
        // A rule without conditions decides wherever it stands; libseccomp has it so as well.
        let plain = rules.iter().find(|rule| rule.args.is_empty());
        let mut otherwise = match plain {
            Some(rule) => leaf(program, leaves, action(rule.action, rule.errno_ret, "errnoRet")?),
            None => default,
        };
        if plain.is_some() {
            return Ok(otherwise);
        }
        for rule in rules.iter().rev() {
            let decided = leaf(program, leaves, action(rule.action, rule.errno_ret, "errnoRet")?);
            otherwise = conditions(program, &rule.args, decided, otherwise)?;
        }
        Ok(otherwise)
    }
}

/// The returns that were written already: one for each action and table.
type Leaves = BTreeMap<u32, Place>;

fn leaf(program: &mut Program, leaves: &mut Leaves, action: u32) -> Place {
    *leaves.entry(action).or_insert_with(|| program.ret(action))
}

/// All conditions of a rule must hold. One argument named twice means either of both: that is how
/// libseccomp's callers, and Docker's profile for clone(2), have always been read.
fn conditions(
    program: &mut Program,
    args: &[SeccompArg],
    decided: Place,
    otherwise: Place,
) -> Result<Place> {
    let repeated =
        args.iter().any(|arg| args.iter().filter(|it| it.index == arg.index).count() > 1);
    let mut place = if repeated { otherwise } else { decided };
    for arg in args.iter().rev() {
        place = match repeated {
            true => compare(program, arg, decided, place)?,
            false => compare(program, arg, place, otherwise)?,
        };
    }
    Ok(place)
}

/// One comparison of 64 bits, in two halves.
fn compare(program: &mut Program, arg: &SeccompArg, yes: Place, no: Place) -> Result<Place> {
    if arg.index > 5 {
        return Err(
            invalid(&format!("args.index is {}", arg.index)).fix("a call has arguments 0 to 5")
        );
    }
    let halves = argument(arg.index);
    let (mask, value) = match arg.op {
        SeccompOperator::MaskedEqual => (Some(arg.value), arg.value_two.unwrap_or(0)),
        _ => (None, arg.value),
    };
    Ok(match arg.op {
        SeccompOperator::Equal | SeccompOperator::MaskedEqual => {
            equal(program, halves, mask, value, yes, no)
        }
        SeccompOperator::NotEqual => equal(program, halves, mask, value, no, yes),
        SeccompOperator::Greater => ordered(program, halves, value, Test::Greater, yes, no),
        SeccompOperator::GreaterEqual => ordered(program, halves, value, Test::AtLeast, yes, no),
        SeccompOperator::Less => ordered(program, halves, value, Test::AtLeast, no, yes),
        SeccompOperator::LessEqual => ordered(program, halves, value, Test::Greater, no, yes),
    })
}

fn equal(
    program: &mut Program,
    (low, high): (u32, u32),
    mask: Option<u64>,
    value: u64,
    yes: Place,
    no: Place,
) -> Place {
    let half = |program: &mut Program, offset, shift: u32, yes| {
        program.branch(Test::Equal((value >> shift) as u32), yes, no);
        if let Some(mask) = mask {
            program.and((mask >> shift) as u32);
        }
        program.load(offset)
    };
    let then = half(program, low, 0, yes);
    half(program, high, 32, then)
}

/// The high halves decide, unless they are equal.
fn ordered(
    program: &mut Program,
    (low, high): (u32, u32),
    value: u64,
    test: fn(u32) -> Test,
    yes: Place,
    no: Place,
) -> Place {
    let (value_low, value_high) = (value as u32, (value >> 32) as u32);
    program.branch(test(value_low), yes, no);
    let low_half = program.load(low);
    let not_greater = program.branch(Test::Equal(value_high), low_half, no);
    program.branch(Test::Greater(value_high), yes, not_greater);
    program.load(high)
}

/// The numbers as ranges that go to one place, each with its first: neighbours that are treated
/// alike need no comparison between them, and most of a profile is such neighbours.
fn ranges(targets: &[(u32, Place)], otherwise: Place) -> Vec<(u32, Place)> {
    let mut ranges = vec![(0, otherwise)];
    for (number, target) in targets {
        // What was written for the number after the last one is taken back.
        ranges.pop_if(|(first, _)| first == number);
        ranges.push((*number, *target));
        ranges.extend(number.checked_add(1).map(|next| (next, otherwise)));
    }
    ranges.dedup_by_key(|(_, target)| *target);
    ranges
}

/// A binary search over ranges.
fn search(program: &mut Program, ranges: &[(u32, Place)]) -> Place {
    let (below, above) = ranges.split_at(ranges.len() / 2);
    match (below, above) {
        (_, []) => program.here(),
        ([], [(_, target), ..]) => *target,
        (_, [(first, _), ..]) => {
            let upper = search(program, above);
            let lower = search(program, below);
            program.branch(Test::AtLeast(*first), upper, lower)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::bpf::judge, *};

    const X86_64: u32 = 0xc000_003e;
    const I386: u32 = 0x4000_0003;
    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | 1;

    fn profile(json: &str) -> Vec<sock_filter> {
        compile(&serde_json::from_str(json).unwrap()).unwrap()
    }

    fn native(name: &str) -> u32 {
        Architecture::X86_64.number(name).unwrap()
    }

    #[track_caller]
    fn check(program: &[sock_filter], name: &str, args: [u64; 6], expected: u32) {
        assert_eq!(judge(program, X86_64, native(name), args), expected, "{name} {args:?}");
    }

    #[test]
    fn dockers_profile_judges_as_docker_says() {
        let program = compile(&crate::defaults::seccomp(&crate::defaults::CAPABILITIES)).unwrap();
        let enosys = libc::SECCOMP_RET_ERRNO | 38;
        check(&program, "read", [0; 6], ALLOW);
        check(&program, "mount", [0; 6], EPERM);
        check(&program, "clone3", [0; 6], enosys);
        // New namespaces by clone(2): one bit is enough to be refused.
        check(&program, "clone", [0x11, 0, 0, 0, 0, 0], ALLOW);
        check(&program, "clone", [0x0002_0011, 0, 0, 0, 0, 0], EPERM);
        check(&program, "personality", [8, 0, 0, 0, 0, 0], ALLOW);
        check(&program, "personality", [9, 0, 0, 0, 0, 0], EPERM);
        // AF_VSOCK speaks to the hypervisor.
        check(&program, "socket", [40, 0, 0, 0, 0, 0], EPERM);
        check(&program, "socket", [2, 0, 0, 0, 0, 0], ALLOW);
        assert_eq!(judge(&program, X86_64, 9999, [0; 6]), enosys, "newer than the profile");
        assert_eq!(judge(&program, X86_64, X32_BIT, [0; 6]), ALLOW, "read of x32");
        assert_eq!(judge(&program, I386, 3, [0; 6]), ALLOW, "read of 32-bit programs");
        assert_eq!(judge(&program, I386, 21, [0; 6]), EPERM, "mount of 32-bit programs");
        let foreign = judge(&program, 0x8000_0016, 3, [0; 6]);
        assert_eq!(foreign, libc::SECCOMP_RET_KILL_PROCESS);
        assert!(program.len() < 700, "{} instructions", program.len());
    }

    #[test]
    fn arguments_have_64_bits_and_seven_operators() {
        let verdict = |op: &str, value: u64, arg: u64| {
            let program = profile(&format!(
                r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{{"names": ["close"],
                "action": "SCMP_ACT_ALLOW", "args": [{{"index": 0, "value": {value}, "op": "{op}"}}]}}]}}"#
            ));
            judge(&program, X86_64, native("close"), [arg, 0, 0, 0, 0, 0]) == ALLOW
        };
        let numbers = [0, 1, 5, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0005, u64::MAX];
        for (value, arg) in numbers.into_iter().flat_map(|a| numbers.map(|b| (a, b))) {
            assert_eq!(verdict("SCMP_CMP_EQ", value, arg), arg == value, "{arg:#x} {value:#x}");
            assert_eq!(verdict("SCMP_CMP_NE", value, arg), arg != value, "{arg:#x} {value:#x}");
            assert_eq!(verdict("SCMP_CMP_LT", value, arg), arg < value, "{arg:#x} {value:#x}");
            assert_eq!(verdict("SCMP_CMP_LE", value, arg), arg <= value, "{arg:#x} {value:#x}");
            assert_eq!(verdict("SCMP_CMP_GE", value, arg), arg >= value, "{arg:#x} {value:#x}");
            assert_eq!(verdict("SCMP_CMP_GT", value, arg), arg > value, "{arg:#x} {value:#x}");
        }
    }

    #[test]
    fn a_list_of_what_is_forbidden_has_no_door_of_another_architecture() {
        let program = profile(
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mount", "no_such_call"],
            "action": "SCMP_ACT_KILL_PROCESS"}]}"#,
        );
        let kill = libc::SECCOMP_RET_KILL_PROCESS;
        check(&program, "mount", [0; 6], kill);
        check(&program, "read", [0; 6], ALLOW);
        assert_eq!(judge(&program, X86_64, native("mount") | X32_BIT, [0; 6]), kill);
        assert_eq!(judge(&program, I386, 21, [0; 6]), kill);
        assert_eq!(judge(&program, X86_64, 9999, [0; 6]), ALLOW);
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let refused = |json: &str| compile(&serde_json::from_str(json).unwrap()).unwrap_err();
        let error = refused(r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 5000}"#);
        assert_eq!(error.fix.as_deref(), Some("0 to 4095 are accepted"));
        refused(r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["x86"]}"#);
        refused(
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"],
            "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}]}"#,
        );
    }
}
