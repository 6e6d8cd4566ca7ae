//! ELF headers: a program file names its loader and its libraries, so nothing need be run to know.
//!
//! `ldd` runs the loader, and with it code of the file that is asked about. But all it says stands
//! in the file: the program header PT_INTERP holds the loader's path, and PT_DYNAMIC a table with
//! the names of libraries (DT_NEEDED) and where else to look for them (DT_RPATH, DT_RUNPATH). Only
//! those parts are read here. See elf(5), ld.so(8).

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::FileExt,
    },
    path::{Path, PathBuf},
};

use elf::{
    abi,
    dynamic::DynamicTable,
    endian::AnyEndian,
    file::{Class, FileHeader, parse_ident},
    parse::ParseError,
    segment::{ProgramHeader, SegmentTable},
    string_table::StringTable,
};

/// For which machine code was compiled: word size and `e_machine`. The loader only takes libraries
/// of the program's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// 64 or 32.
    pub bits: u8,
    /// An EM_ constant, as 62 for EM_X86_64.
    pub number: u16,
}

/// What the headers of an ELF file say about loading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The machine it is for.
    pub machine: Machine,
    /// PT_INTERP: the loader; none in a static program and in a library.
    pub interpreter: Option<PathBuf>,
    /// DT_NEEDED: the libraries, in order.
    pub needed: Vec<OsString>,
    /// DT_SONAME: the name under which others need this library.
    pub soname: Option<OsString>,
    /// DT_RPATH, split at colons: searched for what this file needs and what its libraries need.
    pub rpath: Vec<OsString>,
    /// DT_RUNPATH, split at colons: searched for what this file needs itself; replaces DT_RPATH.
    pub runpath: Vec<OsString>,
}

impl Object {
    /// Reads the headers of the file at `path`.
    ///
    /// # Errors
    /// As open(2) and read(2); `InvalidData` when it is no ELF file or a damaged one.
    pub fn read(path: &Path) -> io::Result<Self> {
        let headers = Headers::read(File::open(path)?)?;
        let mut object = Self {
            machine: headers.machine(),
            interpreter: headers.interpreter()?,
            needed: Vec::new(),
            soname: None,
            rpath: Vec::new(),
            runpath: Vec::new(),
        };
        for (tag, text) in headers.dynamic_strings()? {
            match tag {
                abi::DT_NEEDED => object.needed.push(text),
                abi::DT_SONAME => object.soname = Some(text),
                abi::DT_RPATH => object.rpath = directories(&text),
                abi::DT_RUNPATH => object.runpath = directories(&text),
                _ => {}
            }
        }
        Ok(object)
    }
}

impl Machine {
    /// The machine that the file at `path` is for; only its first bytes are read.
    ///
    /// # Errors
    /// As [`Object::read`].
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(machine(&header(&File::open(path)?)?))
    }

    /// Whether this machine also runs programs for `other`: its own, and those of its 32-bit past.
    pub fn runs(self, other: Self) -> bool {
        let past = matches!(
            (self.number, other.number),
            (abi::EM_X86_64, abi::EM_386) | (abi::EM_AARCH64, abi::EM_ARM)
        );
        self == other || past
    }

    /// The directory name that Debian's multiarch gives it.
    pub fn multiarch(self) -> Option<&'static str> {
        Some(match (self.number, self.bits) {
            (abi::EM_X86_64, 64) => "x86_64-linux-gnu",
            (abi::EM_386, _) => "i386-linux-gnu",
            (abi::EM_AARCH64, _) => "aarch64-linux-gnu",
            (abi::EM_ARM, _) => "arm-linux-gnueabihf",
            (abi::EM_RISCV, 64) => "riscv64-linux-gnu",
            (abi::EM_PPC64, _) => "powerpc64le-linux-gnu",
            (abi::EM_S390, 64) => "s390x-linux-gnu",
            (abi::EM_LOONGARCH, 64) => "loongarch64-linux-gnu",
            _ => return None,
        })
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = elf::to_str::e_machine_to_string(self.number);
        write!(f, "{} ({} bits)", name.trim_start_matches("EM_").to_lowercase(), self.bits)
    }
}

type Header = FileHeader<AnyEndian>;

/// A file with its header and program headers read.
struct Headers {
    file: File,
    header: Header,
    segments: Vec<ProgramHeader>,
}

impl Headers {
    fn read(file: File) -> io::Result<Self> {
        let header = header(&file)?;
        let size = usize::from(header.e_phentsize) * usize::from(header.e_phnum);
        let table = read_at(&file, header.e_phoff, size as u64)?;
        let segments = SegmentTable::new(header.endianness, header.class, &table).iter().collect();
        Ok(Self { file, header, segments })
    }

    fn machine(&self) -> Machine {
        machine(&self.header)
    }

    fn segment(&self, p_type: u32) -> Option<&ProgramHeader> {
        self.segments.iter().find(|segment| segment.p_type == p_type)
    }

    fn interpreter(&self) -> io::Result<Option<PathBuf>> {
        let Some(segment) = self.segment(abi::PT_INTERP) else { return Ok(None) };
        let mut text = read_at(&self.file, segment.p_offset, segment.p_filesz)?;
        text.truncate(text.iter().position(|byte| *byte == 0).unwrap_or(text.len()));
        Ok(Some(PathBuf::from(OsString::from_vec(text))))
    }

    /// The entries of PT_DYNAMIC whose value is text, with their tags.
    fn dynamic_strings(&self) -> io::Result<Vec<(i64, OsString)>> {
        let Some(segment) = self.segment(abi::PT_DYNAMIC) else { return Ok(Vec::new()) };
        let table = read_at(&self.file, segment.p_offset, segment.p_filesz)?;
        let table = DynamicTable::new(self.header.endianness, self.header.class, &table);
        let value = |tag| table.iter().find(|entry| entry.d_tag == tag).map(|entry| entry.d_val());
        let (Some(address), Some(size)) = (value(abi::DT_STRTAB), value(abi::DT_STRSZ)) else {
            return Ok(Vec::new());
        };
        let strings = read_at(&self.file, self.file_offset(address)?, size)?;
        let strings = StringTable::new(&strings);
        let textual = [abi::DT_NEEDED, abi::DT_SONAME, abi::DT_RPATH, abi::DT_RUNPATH];
        table
            .iter()
            .take_while(|entry| entry.d_tag != abi::DT_NULL)
            .filter(|entry| textual.contains(&entry.d_tag))
            .map(|entry| {
                let text = strings.get_raw(entry.d_val() as usize).map_err(damaged)?;
                Ok((entry.d_tag, OsStr::from_bytes(text).to_owned()))
            })
            .collect()
    }

    /// Where in the file the bytes are that are loaded at `address`.
    fn file_offset(&self, address: u64) -> io::Result<u64> {
        let holds = |segment: &&ProgramHeader| {
            segment.p_type == abi::PT_LOAD
                && (segment.p_vaddr..segment.p_vaddr.saturating_add(segment.p_filesz))
                    .contains(&address)
        };
        let segment = self.segments.iter().find(holds);
        segment
            .and_then(|segment| (address - segment.p_vaddr).checked_add(segment.p_offset))
            .ok_or_else(|| invalid("its string table is not in the file"))
    }
}

fn header(file: &File) -> io::Result<Header> {
    let mut start = Vec::new();
    file.take(abi::EI_NIDENT as u64).read_to_end(&mut start)?;
    if !start.starts_with(&abi::ELFMAGIC) {
        return Err(invalid("it does not begin with \\x7fELF"));
    }
    if start.len() < abi::EI_NIDENT {
        return Err(invalid("it ends within its header"));
    }
    let ident = parse_ident(&start).map_err(damaged)?;
    // The sizes of Elf32_Ehdr and Elf64_Ehdr, less the 16 bytes above.
    let rest = if ident.1 == Class::ELF32 { 36 } else { 48 };
    FileHeader::parse_tail(ident, &read_at(file, abi::EI_NIDENT as u64, rest)?).map_err(damaged)
}

fn machine(header: &Header) -> Machine {
    let bits = if header.class == Class::ELF32 { 32 } else { 64 };
    Machine { bits, number: header.e_machine }
}

/// `size` bytes from `offset`; a size that a damaged header claims is believed only up to the end
/// of the file.
fn read_at(file: &File, offset: u64, size: u64) -> io::Result<Vec<u8>> {
    if offset.checked_add(size).is_none_or(|end| end > file.metadata().map_or(0, |it| it.len())) {
        return Err(invalid("a header points beyond the end of the file"));
    }
    let mut bytes = vec![0; size as usize];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

fn directories(text: &OsStr) -> Vec<OsString> {
    let split = text.as_bytes().split(|byte| *byte == b':');
    split.filter(|it| !it.is_empty()).map(|it| OsStr::from_bytes(it).to_owned()).collect()
}

fn damaged(error: ParseError) -> io::Error {
    invalid(&error.to_string())
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
