"""The first program in the sandbox: import what kernels need, once, and fork a kernel when asked.

    python -I -B zygote.py '{"channel": ..., "modules": [...], ...}'

Importing takes longer than grading a notebook. So this process imports, and never runs any code of
a student's. For each notebook it forks a kernel confined by itself: in new namespaces inside those
that bubblewrap has made, with fresh scratch memory, no folder but its own, and no privileges. What
a student's code does in there, no later kernel can see.

Without a channel it tries once whether all this works here, and says so.
"""

import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys

# Namespaces of a kernel's own: mounts, interprocess communication, processes, network.
NEW = 0x20000 | 0x8000000 | 0x20000000 | 0x40000000
PRIVATE = 1 << 18 | 1 << 14  # and all that is mounted below
READ_ONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND = 1, 2, 4, 8, 32, 4096
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2  # of prctl
CAPABILITIES_VERSION_3 = 0x20080522


def main(arguments):
    # The stub in front of anything of the same name, then what the notebooks may use.
    sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), *arguments["paths"]]
    import kernel

    if "channel" not in arguments:
        fork_behind_walls(kernel, arguments, lambda: print("inside", flush=True))
        os.wait()
        return
    kernel.prepare()
    for name in arguments["modules"]:
        importlib.import_module(name)
    gc.freeze()  # so that a kernel's collector need not copy what it shares with the others
    channel = socket.socket(fileno=arguments["channel"])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that have ended
    channel.send(b"ready")
    while request := channel.recv(4096):
        fork_kernel(kernel, channel, {**arguments, **json.loads(request)})


def fork_kernel(kernel, channel, arguments):
    """Start a kernel; send a pidfd of it and a pipe that will tell how it ended, or a complaint.

    Its parent stays to learn how it ends, outside the kernel's namespaces, where the kernel can't
    reach it.
    """
    if os.fork():
        return

    def serve():
        channel.close()
        kernel.serve(arguments["folder"])

    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ending, tell = os.pipe()
        descriptor, child = fork_behind_walls(kernel, arguments, serve, tell)
        socket.send_fds(channel, [b"started"], [descriptor, ending])
        for each in (descriptor, ending, channel.fileno()):
            os.close(each)
        os.write(tell, str(os.waitpid(child, 0)[1]).encode())
    except OSError as complaint:
        channel.send(str(complaint).encode())
    finally:
        os._exit(0)


def fork_behind_walls(kernel, arguments, run, ours=None):
    """Call `run` in a child that can't do any harm; a descriptor and the number of it, once its
    walls are up. The descriptor `ours` is closed there.

    To be called once in a process, which is good for nothing else afterwards.
    """
    reader, writer = os.pipe()
    system("unshare", NEW)
    child = os.fork()
    if child:
        os.close(writer)
        descriptor = os.pidfd_open(child)
        if (complaint := os.read(reader, 1000)) != b"up":
            raise OSError(complaint.decode() or "the kernel ended at once")
        return descriptor, child
    try:
        if ours is not None:
            os.close(ours)
        os.setsid()
        put_up_walls(arguments)
        kernel.give_up_rights(arguments["limits"], arguments["uid"])
        give_up_capabilities()
        refuse_system_calls(bytes.fromhex(arguments["filter"]))
        os.chdir(arguments["home"])
        os.write(writer, b"up")
        os.close(writer)
        os.close(reader)
        run()
    except OSError as complaint:
        os.write(writer, str(complaint).encode())
    finally:
        os._exit(0)


def put_up_walls(arguments):
    """Fresh memory wherever one can write, our own processes only, no kernel's folder but ours."""
    folder = arguments.get("folder")
    ours = os.open(folder or "/", os.O_PATH)
    mount(None, "/", None, PRIVATE)
    mount("proc", "/proc", "proc", NOSUID | NODEV | NOEXEC)
    for path in arguments["scratch"]:
        room = f"size={arguments['room']},nr_inodes={arguments['files']},mode=1777"
        mount("tmpfs", path, "tmpfs", NOSUID | NODEV, room)
    if folder:
        kernels = os.path.dirname(folder)
        os.makedirs(kernels, exist_ok=True)  # its name may begin with /tmp
        mount("tmpfs", kernels, "tmpfs", NOSUID | NODEV, "size=4096,mode=755")
        os.mkdir(folder)
        mount(f"/proc/self/fd/{ours}", folder, None, BIND)
        mount(None, kernels, None, REMOUNT | READ_ONLY | NOSUID | NODEV)
    os.close(ours)


def give_up_capabilities():
    """All of them. bubblewrap has seen to it that no program can bring one back."""
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_VERSION_3, 0)
    system("capset", header, (ctypes.c_uint32 * 6)())


def refuse_system_calls(program):
    """Apply the filter of `instnorm_judge.syscalls`, for good."""

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))

    system("prctl", NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    system("prctl", SECCOMP, FILTER, ctypes.byref(Program(len(program) // 8, program)))


def mount(what, where, kind, flags, options=None):
    words = [each if each is None else each.encode() for each in (what, where, kind, options)]
    system("mount", *words[:3], ctypes.c_ulong(flags), words[3])


def system(call, *arguments):
    """A system call that Python has no function for."""
    if getattr(ctypes.CDLL(None, use_errno=True), call)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
