"""System calls that student code has no use for, as a filter that Linux applies (seccomp).

Some get around the sandbox's quota, by memory that belongs to no process and no folder. Some make
new namespaces, in which a process may mount what it likes. And some have been the way to most holes
in the Linux kernel. All others are allowed.
"""

import platform
import struct

# The numbers on x86_64 and on aarch64. Those from 424 on are the same everywhere.
REFUSED = {
    # Memory that no limit counts, and that outlives its process.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # Linux divides the processors among sessions first: fifty sessions would have fifty shares.
    "setsid": (112, 157),
    # Namespaces and mounts.
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "mount": (165, 40),
    "umount2": (166, 39),
    "mount_setattr": (442, 442),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    # Other processes, and the inside of Linux.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
}
# Memory that several processes share belongs to none of them: it stays when it is not mapped.
MMAP = (9, 222)
SHARED, ANONYMOUS = 0x01, 0x20
# Families of sockets: local ones, and those that fail for want of a network, as they should.
SOCKET, SOCKETPAIR = (41, 198), (53, 199)
FAMILIES = (1, 2, 10)
CLONE = (56, 220)
CLONE3 = 435
NEW_NAMESPACE = 0x7E020000  # all of clone's flags CLONE_NEW...

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000  # a second set of system calls of x86_64

# Instructions of the filter's virtual machine (BPF), and its verdicts.
LOAD, EQUAL, AT_LEAST, ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT, FOURTH = 0, 4, 16, 40  # where they are in what it looks at
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
EPERM, ENOMEM, ENOSYS, EAFNOSUPPORT = 1, 12, 38, 97


def filter_program():
    """The filter for this machine as bubblewrap reads it; None if we have no numbers for it."""
    machine = platform.machine()
    if machine not in AUDIT_ARCH:
        return None
    column = list(AUDIT_ARCH).index(machine)
    # An instruction is its code, how many to skip where its test is true and where false, a number.
    steps = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, AUDIT_ARCH[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        *_if(AT_LEAST, X32, REFUSE | EPERM),
        *(step for pair in REFUSED.values() for step in _if(EQUAL, pair[column], REFUSE | EPERM)),
        # Its flags are out of the filter's reach. The C library then uses clone.
        *_if(EQUAL, CLONE3, REFUSE | ENOSYS),
        *_in(
            CLONE[column],
            (LOAD, 0, 0, FIRST_ARGUMENT),
            *_if(ANY_BIT, NEW_NAMESPACE, REFUSE | EPERM),
        ),
        *_in(
            MMAP[column],
            (LOAD, 0, 0, FOURTH),
            (AND, 0, 0, SHARED | ANONYMOUS),
            *_if(EQUAL, SHARED | ANONYMOUS, REFUSE | ENOMEM),
        ),
        *(
            step
            for call in (SOCKET[column], SOCKETPAIR[column])
            for step in _in(
                call,
                (LOAD, 0, 0, FIRST_ARGUMENT),
                *(step for family in FAMILIES for step in _if(EQUAL, family, ALLOW)),
                (RETURN, 0, 0, REFUSE | EAFNOSUPPORT),
            )
        ),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def _if(test, value, verdict):
    return (test, 0, 1, value), (RETURN, 0, 0, verdict)


def _in(number, *steps):
    """Steps for one system call, at the end of which it is allowed; others go on behind them."""
    steps = (*steps, (RETURN, 0, 0, ALLOW))
    return (EQUAL, 0, len(steps), number), *steps
