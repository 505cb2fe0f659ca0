"""The pages of Web Enrollment: tags in upper case, ids without quotes, `&amp;` in links, each line ended twice (A1.3)."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from chancery.authorities.adcs.simulator import numbers
from chancery.authorities.adcs.simulator.templates import LABELS
from chancery.sandbox.certsrv import Template

_END = "\r\n\r\n"
_TABS = "\t\t"


class Pages:
    """Renders in one language. `ca` is the name in the heading; '' leaves it out."""

    def __init__(self, words: dict[str, str], ca: str) -> None:
        self._words, self._ca = words, ca

    def issued(self, number: int) -> bytes:
        """Return the page of a certificate that is there, with its links."""
        ways = [
            f'<A Href="certnew.{end}?ReqID={number}&amp;Enc={code}" ID=locDownload{end}{code}>{self._words[text]}</A>'
            for end, text in (("cer", "download"), ("p7b", "download_chain"))
            for code in ("b64", "bin")
        ]
        return self._page("issued", [*_paragraph("locInfo", self._words["issued_info"]), *ways])

    def pending(self, number: int, *, new: bool) -> bytes:
        """Return the page of a request that waits, after it was sent or when it is looked at."""
        words = self._words
        told = _paragraph("locInfoNewReq" if new else "locInfoChkPnd", words["pending_new" if new else "pending_still"])
        return self._page("pending", [*told, *_paragraph("locInfoReqID", words["request_id"].format(id=number))])

    def denied(self, number: int, message: str) -> bytes:
        """Return the page of a denial; it carries the request's id as well."""
        reason = self._words["reason"].format(id=number, message=escape(message, quote=False) + "\r\n")
        told = _paragraph("locDenied", self._words["denied_info"])
        lines = [
            *told,
            *_paragraph("locInfoReqIDandReason", reason),
            *_paragraph("locContactAdmin", self._words["contact"]),
        ]
        return self._page("denied", lines)

    def revoked(self, number: int) -> bytes:
        """Return the page of a certificate that was issued and revoked."""
        return self._page("revoked", _paragraph("locIssRev", self._words["revoked_info"].format(id=number)))

    def error(self, disposition: str, message: str, *, result: int = 0, last: int = 0) -> bytes:
        """Return the error page: disposition, its message, the call's result and the row's last status."""
        words = self._words
        success = f"{words['success']} 0x0 (WIN32: 0)"
        rows = (
            ("locModeLabel", words["mode"], "get"),
            ("locDispLabel", words["disposition"], disposition),
            ("locDispMsgLabel", words["message"], message),
            ("locResultLabel", words["result"], numbers.full(result) if result else success),
            ("locLastStatLabel", words["last_status"], numbers.full(last) if last else success),
            ("locSugCauseLabel", words["cause"], words["no_cause"]),
        )
        lines = [f"<DT ID={label}>{title}{_END}<DD>{_TABS}{_value(label, text)}" for label, title, text in rows]
        return self._page("error", [*_paragraph("locContactAdmin", words["contact"]), "<DL>", *lines, "</DL>"])

    def disposition(self, number: int) -> str:
        """Return a disposition as the error page prints it."""
        return f"{number} - {self._words['unknown']}"

    def ca_certificates(self, renewals: int) -> bytes:
        """Return certcarc.asp: the index of the newest CA certificate, and whether each CRL is valid (3)."""
        states = ", ".join("3" for _ in range(renewals + 1))
        script = [
            '<SCRIPT Language="JavaScript">',
            f"\tvar nRenewals={renewals};",
            f"\tvar rgCrlState=new Array({states});",
            "</SCRIPT>",
        ]
        return self._page("ca_page", script)

    def form(self, templates: Iterable[Template]) -> bytes:
        """Return certrqxt.asp with its list of templates. What the values look like is not documented: here, the name."""
        options = [f"<OPTION VALUE={t.name}>{escape(LABELS.get(t.name, t.name))}" for t in templates]
        return self._page(
            "form", ["<FORM NAME=SubmittedData>", "<SELECT NAME=lbTemplates>", *options, "</SELECT>", "</FORM>"]
        )

    def welcome(self) -> bytes:
        """Return the entry page."""
        return self._page("welcome", [])

    def _page(self, title: str, lines: list[str]) -> bytes:
        words = self._words
        name = f" &nbsp;--&nbsp; {escape(self._ca)} " if self._ca else ""
        head = [
            "<HTML>",
            f"<HEAD><TITLE>{words['product']}</TITLE></HEAD>",
            "<BODY BgColor=#FFFFFF>",
            f"<TABLE><TR><TD><LocID ID=locMSCertSrv><FONT><B>{words['product']}</B>{name}</FONT></LocID></TD>",
            f'<TD ID=locHomeAlign><A Href="/certsrv"><LocID ID=locHomeLink>{words["home"]}</LocID></A></TD></TR></TABLE>',
            f"<P ID=locPageTitle><B>{words[title]}</B>",
        ]
        return _END.join([*head, *lines, "</BODY>", "</HTML>", ""]).encode()


def _paragraph(found: str, text: str) -> list[str]:
    return [f"<P ID={found}>", text, "</P>"]


def _value(label: str, text: str) -> str:
    inner = escape(text, quote=False)
    return f"<LocID ID=locDisp>{inner}</LocID>" if label == "locDispLabel" else inner
