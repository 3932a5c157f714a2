# ruff: noqa: E501
"""Text, pictures and names that do something to whoever looks at them.

`HARMED()` is called by whatever runs. What is asked of a server has HARMED in its address.
"""

# Each is the source of a Markdown cell. What a page must not have because of them is in the test.
MARKDOWN = {
    "script": "<script>HARMED()</script>",
    "script-in-a-block": "<div>\n\n<script>HARMED()</script>\n\n</div>",
    "handler": "<img src=HARMED.png onerror='HARMED()'>",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg" onload="HARMED()"><script>HARMED()</script></svg>',
    "frame": "<iframe srcdoc='<script>parent.HARMED()</script>'></iframe><object data='HARMED'>",
    "style": "<style>@import '/HARMED.css';</style><link rel=stylesheet href=/HARMED2.css>",
    "form": "<form id=grade action='/HARMED'><button>Full credit</button></form><base href='/HARMED/'>",
    "split-by-markup": "<scr*ipt*>HARMED()</script> <`script`>HARMED()</script>",
    "split-by-a-backslash": "<\\/p><\\script>HARMED()<\\/script>",
    "entities": "&lt;script&gt;HARMED()&lt;/script&gt; &#60;script&#62;HARMED()&#60;/script&#62;",
    "in-code": "`<script>HARMED()</script>`\n\n    <script>HARMED()</script>\n\n```html\n<script>HARMED()"
    "</script>\n```",
    "in-mathematics": "$<script>HARMED()</script>$ $$</span><script>HARMED()</script>$$\n"
    "\\begin{x}<script>HARMED()</script>\\end{x}",
    "in-a-table": "| a | b |\n|---|---|\n| <script>HARMED()</script> | ![x](/HARMED.png) |",
    "picture": '![x](http://127.0.0.2:9/HARMED.png) ![y](/HARMED.png "onerror=HARMED()") ![z][z]\n\n'
    "[z]: /HARMED3.png",
    "picture-in-the-text": "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9IkhBUk1FRCgpIi8+)",
    "attachment": "![x](attachment:HARMED.svg)",
    "link": "[click](javascript:HARMED()) [there](https://HARMED.example/) <https://HARMED.example/>",
    "link-by-reference": "[click][1] [1]\n\n[1]: javascript:HARMED() 'x'",
    "link-by-itself": "https://HARMED.example/ www.HARMED.example someone@HARMED.example",
    "latex": "$\\href{javascript:HARMED()}{x} \\style{background:url(/HARMED.png)}{y}"
    " \\unicode[HARMED]{65} \\require{HARMED} \\cssId{instance-norm}{z} \\class{HARMED}{w}$",
    "latex-by-another-name": "$\\def\\x{\\href{javascript:HARMED()}{x}} \\x \\let\\y\\href \\y{//HARMED}{y}$",
    "diagram": '```mermaid\nflowchart LR\n A-->B\n click A href "javascript:HARMED()"\n```',
    "directive": "```{image} /HARMED.png\n```\n\n:::{iframe} /HARMED\n:::\n\n{download}`x </HARMED>`",
    "the-name-of-a-field": "# instance-norm\n\n## instance-norm-answer-comment\n\nstatusmessage\n---",
    "other-way-of-reading": "\u202e)(DEMRAH\u202c \u2066x",
    "many-brackets": "[" * 9000,
    "comment": "<!--\n\n# all that follows is hidden",
}

# Each is the source of a code cell.
OUTPUTS = {
    "html": "from IPython.display import HTML, Javascript, Markdown, SVG, display, Image\n"
    "display(HTML('<script>HARMED()</script><img src=x onerror=HARMED()>'), Javascript('HARMED()'),\n"
    "    Markdown('<script>HARMED()</script>'), SVG('<svg xmlns=\"http://www.w3.org/2000/svg\" "
    'onload="HARMED()"/>\'))',
    "text": "print('<script>HARMED()</script> \\x1b[31m<script>HARMED()</script>\\x1b[0m')\n"
    "print('\\x1b]8;;https://HARMED.example\\x07here\\x1b]8;;\\x07 https://HARMED.example/')\n"
    "raise ValueError('<script>HARMED()</script>')",
    "attributes": "kernel = get_ipython().kernel\n"
    "for data in ('\" onerror=\"HARMED()', 'x', 'PHN2ZyBvbmxvYWQ9IkhBUk1FRCgpIi8+'):\n"
    "    kernel.session.send(kernel.iopub_socket, 'display_data', parent=kernel.get_parent(),\n"
    "        content={'data': {'image/png': data, 'image/jpeg': data, 'image/svg+xml': data},\n"
    "                 'metadata': {'image/png': {'width': '1 onload=HARMED()'}}})",
    # 900 million pixels in a hundred kilobytes.
    "huge-picture": "import struct, zlib\n"
    "from IPython.display import Image, display\n"
    "def chunk(kind, data):\n"
    "    check = struct.pack('>I', zlib.crc32(kind + data))\n"
    "    return struct.pack('>I', len(data)) + kind + data + check\n"
    "packer = zlib.compressobj(9)\n"
    "rows = b''.join([packer.compress(bytes(3751)) for _ in range(30000)]) + packer.flush()\n"
    "display(Image(data=b'\\x89PNG\\r\\n\\x1a\\n'\n"
    "    + chunk(b'IHDR', struct.pack('>IIBBBBB', 30000, 30000, 1, 0, 0, 0, 0))\n"
    "    + chunk(b'IDAT', rows) + chunk(b'IEND', b''), format='png'))\n"
    "print('drawn')",
    "picture": "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
}

# What people call themselves on a learning platform.
NAMES = {
    "first_name": "<script>HARMED()</script>",
    "last_name": "\"><img src=HARMED.png onerror='HARMED()'>",
    "email": "';HARMED()//@example.org",
}
# Names of folders, which a platform makes of them.
FOLDERS = ("<img src=HARMED.png onerror=HARMED()>", "a'b", 'a"b', "a&lt;b", "a\u202eb")
