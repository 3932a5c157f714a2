"""Code that tries to stop the grading, to use up the machine, to get out, or to leave something."""

from . import Attack, everywhere

ENDED = "The Python process ended"
TOO_LARGE = "GiB of memory"

# {port} and {marker} are filled in by the test.
ATTACKS = {
    "exits-at-load": Attack("import os\nos._exit(0)", says=ENDED),
    "exits-in-a-call": Attack(
        answers=everywhere("import os\ndef {f}(*a):\n    os._exit(0)"), says=ENDED
    ),
    "sys-exit-at-load": Attack("import sys\nsys.exit(0)"),
    "sys-exit-in-a-call": Attack(
        answers=everywhere("import sys\ndef {f}(*a):\n    sys.exit(0)"), says="raised SystemExit"
    ),
    "kills-everything": Attack("import os, signal\nos.kill(-1, signal.SIGKILL)", says="0 of 6"),
    "endless-at-load": Attack(
        "import time\nwhile True:\n    try: time.sleep(60)\n    except BaseException: pass",
        says="could not be interrupted",
    ),
    "loops-at-load": Attack("while True: pass", says="This cell took too long and was stopped"),
    "endless-in-a-call": Attack(
        answers=everywhere(
            "import time\ndef {f}(*a):\n    while True:\n        try: time.sleep(60)\n"
            "        except BaseException: pass"
        ),
        says="could not be interrupted",
    ),
    "deaf-to-interrupts": Attack(
        "import signal, time\nsignal.signal = lambda *a: None\n"
        "import faulthandler\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])",
        answers=everywhere("import time\ndef {f}(*a):\n    time.sleep(60)"),
        says="could not be interrupted",
    ),
    "memory-bomb": Attack(
        "import numpy as np\nheld = []\n"
        "try:\n    while True: held.append(np.empty(2**28, 'u1'))\n"
        "except MemoryError: print(len(held), 'and', 'enough')\n"
        "assert len(held) < 17\ndel held",
        says="and enough",
    ),
    "memory-bomb-of-many": Attack(
        "import mmap, os, time\n"
        "for _ in range(6):\n"
        "    if os.fork() == 0:\n"
        "        held = bytearray(b'x') * 2**28\n        time.sleep(60)\n"
        "time.sleep(60)",
        says=TOO_LARGE,
    ),
    # Spoken to the socket itself, since the library would keep it here until it is whole. It is
    # that of the kernel: others can't be made.
    "message-without-end": Attack(
        "import os, socket\n"
        "def ours():\n"
        "    for each in os.listdir('/proc/self/fd'):\n"
        "        try: it = socket.socket(fileno=os.dup(int(each)))\n"
        "        except OSError: continue\n"
        "        try:\n"
        "            if it.getpeername().endswith('socket-2'): return it\n"
        "        except (OSError, AttributeError): pass\n"
        "it = ours()\n"
        "it.setblocking(True)\n"
        "part = b'\\x03' + (2**22).to_bytes(8, 'big') + bytes(2**22)\n"
        "while True: it.sendall(part)",
        says=f"{TOO_LARGE}|waits for a person",
    ),
    "a-thousand-connections": Attack(
        "import ipykernel, os, socket\n"
        "folder = os.path.dirname(ipykernel.get_connection_file())\n"
        "held = []\n"
        "for name in ('socket-1', 'socket-2'):\n"
        "    for _ in range(120):\n"
        "        it = socket.socket(socket.AF_UNIX)\n"
        "        try: it.connect(f'{folder}/{name}')\n"
        "        except OSError: it.close()\n"
        "        else: held.append(it)\n"
        "print(len(held), 'more', 'connections')",
        says="0 more connections",
    ),
    "sockets-of-all-families": Attack(
        "import socket\n"
        "made = set()\n"
        "for family in range(64):\n"
        "    for kind in range(1, 7):\n"
        "        try: socket.socket(family, kind).close()\n"
        "        except OSError: pass\n"
        "        else: made.add(family)\n"
        "print('families', sorted(made))",
        says="families [1, 2, 10]",
    ),
    "memory-in-sockets": Attack(
        "import os, socket, time\n"
        "def fill():\n"
        "    held = []\n"
        "    while True:\n"
        "        try: pair = socket.socketpair()\n"
        "        except OSError: time.sleep(60)\n"
        "        for it in pair:\n"
        "            it.setblocking(False)\n"
        "            it.send(bytes(2**16))\n"
        "            held.append(it)\n"
        "for _ in range(4):\n    if os.fork() == 0: fill()\n"
        "time.sleep(60)",
        says="too many sockets",
    ),
    "memory-shared-and-forgotten": Attack(
        "import mmap, os\n"
        "refused = 0\n"
        "for make in (lambda: mmap.mmap(-1, 2**28),\n"
        "             lambda: mmap.mmap(os.open('/dev/zero', os.O_RDWR), 2**28)):\n"
        "    try: make()\n    except OSError: refused += 1\n"
        "print('refused', refused, 'of 2')",
        says="refused 2 of 2",
    ),
    "many-empty-files": Attack(
        "import os\n"
        "made = 0\n"
        "for folder in ('.', '/tmp', '/dev/shm'):\n"
        "    try:\n"
        "        for k in range(100_000):\n"
        "            os.mknod(f'{folder}/{k}')\n            made += 1\n"
        "    except OSError: pass\n"
        "print('fewer', 'than', made // 10_000 + 1, 'times ten thousand')",
        says="fewer than 6 times ten thousand",
    ),
    "sessions-for-a-larger-share": Attack(
        "import os\ntry: os.setsid()\nexcept OSError: print('one', 'session')",
        says="one session",
    ),
    "memory-beyond-the-quota": Attack(
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None)\n"
        "def got_it(call, *arguments):\n"
        "    if pid := os.fork(): return os.waitpid(pid, 0)[1] == 0\n"
        "    try: os._exit(call(*arguments) < 0)\n"
        "    except OSError: os._exit(1)\n"
        "def mounts():\n"
        "    return libc.unshare(0x10020000) or libc.mount(b'x', b'/tmp', b'tmpfs', 0, b'')\n"
        "print('as usual:', got_it(os.getpid), 'and beyond:', got_it(mounts),\n"
        "      got_it(os.memfd_create, 'x'), got_it(libc.shmget, 0, 2**30, 0o1600))",
        says="as usual: True and beyond: False False False",
    ),
    "fork-bomb": Attack(
        "import os, time\n"
        "children = 0\n"
        "try:\n"
        "    while children < 500:\n"
        "        if os.fork() == 0:\n            time.sleep(60)\n            os._exit(0)\n"
        "        children += 1\n"
        "except BlockingIOError: print('fewer', 'than', children // 100 + 1, 'hundred')",
        says="fewer than 1 hundred",
    ),
    "daemon": Attack(
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    try: os.setsid()\n    except OSError: os.setpgid(0, 0)\n"
        "    if os.fork() == 0:\n"
        "        os.execv(sys.executable, [sys.executable, '-c',"
        " 'import time; time.sleep(300)', '{marker}'])\n"
        "    os._exit(0)\n"
        "time.sleep(0.3)",
    ),
    "disk-fill": Attack(
        "import os\n"
        "def fill(folder):\n"
        "    written = 0\n"
        "    try:\n"
        "        for k in range(200):\n"
        "            with open(f'{folder}/{marker}-{k}', 'wb') as file:\n"
        "                written += file.write(bytes(2**20))\n"
        "    except OSError: pass\n"
        "    return written // 2**20\n"
        "folders = set()\n"
        "for folder, below, _ in os.walk('/'):\n"
        "    if folder.startswith('/proc') or folder.count('/') > 4: below.clear()\n"
        "    elif os.access(folder, os.W_OK): folders.add(folder)\n"
        "total = sum(map(fill, {'/', '/dev', '/dev/shm', '/tmp', os.getcwd(), *folders}))\n"
        "print('less', 'than 256' if total < 256 else total)",
        says="less than 256",
    ),
    "huge-print": Attack("print('x' * 300_000_000)", says="and more, which is not shown"),
    "endless-print": Attack(
        "import sys\n"
        "kernel = get_ipython().kernel\n"
        "for _ in range(8):\n"
        "    kernel.session.send(kernel.iopub_socket, 'stream',\n"
        "        {'name': 'stdout', 'text': 'y' * 10_000_000}, parent=kernel.get_parent())",
    ),
    "one-huge-message": Attack(
        "kernel = get_ipython().kernel\n"
        "kernel.session.send(kernel.iopub_socket, 'stream',\n"
        "    {'name': 'stdout', 'text': 'z' * 100_000_000}, parent=kernel.get_parent())",
        # On a busy machine the time is over before the message has come.
        says="sent a message that is larger than|could not be interrupted",
    ),
    "chatty-call": Attack(
        answers=everywhere(
            "def {f}(*a):\n"
            "    kernel = get_ipython().kernel\n"
            "    while True:\n"
            "        kernel.session.send(kernel.iopub_socket, 'stream',\n"
            "            {'name': 'stdout', 'text': 'noise'}, parent=kernel.get_parent())"
        ),
        says="Your code sent messages without end",
    ),
    "network": Attack(
        "import socket\n"
        "for address in (('127.0.0.1', {port}), ('1.1.1.1', 53), ('8.8.8.8', 53)):\n"
        "    try:\n        socket.create_connection(address, 1)\n"
        "    except OSError: pass\n"
        "    else: print('connected to', address)\n"
        "try: socket.socket(socket.AF_UNIX).connect('\\0{marker}-{port}')\n"
        "except OSError: print('no', 'network')",
        says="no network",
    ),
    "environment": Attack(
        "import os\n"
        "for path in ('/proc/self/environ', '/proc/1/environ'):\n"
        "    print(open(path, 'rb').read())\n"
        "print(dict(os.environ))",
    ),
    "writes-the-gradebook": Attack(
        "import os\n"
        "for folder in ({course!r}, os.path.dirname({course!r}), '.', '..', '/'):\n"
        "    for name in ('gradebook.db', 'submitted', 'solutions'):\n"
        "        path = os.path.join(folder, name)\n"
        "        assert not os.path.exists(path), path\n"
        "try:\n"
        "    os.makedirs({course!r}, exist_ok=True)\n"
        "    open(os.path.join({course!r}, 'gradebook.db'), 'w').write('HARMED')\n"
        "except OSError: pass\n"
        "print('out of', 'reach')",
        says="out of reach",
    ),
    "changes-the-interpreter": Attack(
        "import numpy, os\n"
        "for path in (numpy.__file__, wire_path := __import__('wire').__file__, os.__file__):\n"
        "    try:\n        open(path, 'a').write('HARMED')\n"
        "    except OSError: print('read-', 'only', sep='')",
        says="read-only",
    ),
    "becomes-root": Attack(
        "import os\n"
        "for become in (os.setuid, os.setgid):\n"
        "    try:\n        become(0)\n    except OSError: print('still', 'nobody')\n"
        "assert os.getuid() != 0 and os.geteuid() != 0",
        says="still nobody",
    ),
    "traces-the-judge": Attack(
        "import os\n"
        "others = [pid for pid in os.listdir('/proc') if pid.isdigit()]\n"
        "assert all('nbgrader' not in open(f'/proc/{pid}/cmdline').read() for pid in others)\n"
        "print(len(others), 'process', 'in sight')",
        says="process in sight",
    ),
    "html-and-script": Attack(
        "from IPython.display import HTML, Javascript, SVG, display\n"
        "display(HTML('<script>{marker}()</script><img src=x onerror={marker}()>'))\n"
        "display(Javascript('{marker}()'))\n"
        'display(SVG(\'<svg xmlns="http://www.w3.org/2000/svg" onload="{marker}()"/>\'))\n'
        "print('<script>{marker}()</script>')",
    ),
}
