import ctypes, os, struct, sys
load, equal, answer = 0x20, 0x15, 0x06
calls = [(435, int(sys.argv[1])), (272, int(sys.argv[2]))]
program = [(load, 0, 0, 0)]
for call, errno in calls:
    program += [(equal, 0, 1, call), (answer, 0, 0, 0x50000 | errno)]
program += [(answer, 0, 0, 0x7fff0000)]
code = b"".join(struct.pack("HBBI", *step) for step in program)
filters = ctypes.create_string_buffer(code)
prog = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(filters))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, prog, 0, 0) == 0, ctypes.get_errno()
os.execvp(sys.argv[3], sys.argv[3:])
