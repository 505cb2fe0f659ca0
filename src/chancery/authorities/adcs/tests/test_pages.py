"""What a page says, told by ids, links and numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chancery.authorities.adcs.pages import Kind, Verdict, ca_name_in, options_in, read, renewals_in

DENIED = b"""<P ID=locDenied>\r\n\r\nNo.\r\n</P>\r\n<P ID=locInfoReqIDandReason>\r\n
Your Request Id is 56. The disposition message is "Denied by Policy Module  0x80094800, The request was for a
certificate template "Old 2003" that is not supported.
"\r\n</P>\r\n<P ID=locContactAdmin>Contact 7 people.</P>"""


def test_a_denial_with_quotes_and_line_ends_in_its_message():
    verdict = read(DENIED)
    assert (verdict.kind, verdict.request, verdict.code) == (Kind.DENIED, "56", 0x80094800)
    assert "\n" not in verdict.text


def test_a_denial_goes_before_everything_else_on_the_page():
    more = b'<A Href="certnew.cer?ReqID=56&amp;Enc=b64">x</A><P ID=locInfoNewReq>y</P><P ID=locInfoReqID>56</P>'
    assert read(more + DENIED).kind is Kind.DENIED


def test_the_id_of_a_denial_may_stand_behind_its_message():
    page = (
        '<P ID=locDenied></P><P ID=locInfoReqIDandReason>メッセージは "0x80094012, 2003" です。要求 ID は 89 です。</P>'
    )
    assert read(page.encode()).request == "89"


def test_attributes_in_quotes_and_names_in_any_case_are_the_same():
    assert read(b"<p id='locInfoNewReq'>x<p id=\"locInfoReqID\">Nr. 12</p>") == Verdict(Kind.PENDING, "12")


def test_a_link_says_that_it_is_issued():
    assert read(b'<a href="certnew.cer?ReqID=339&amp;Enc=bin">x</a>') == Verdict(Kind.ISSUED, "339")
    assert read(b'<a href="/certsrv/certnew.cer?Enc=b64&amp;ReqID=339">x</a>').request == "339"
    assert read(b'<a href="certnew.cer?ReqID=CACert&amp;Enc=bin">x</a>').kind is Kind.NONE


def test_a_page_without_end_tags_and_with_an_element_inside_the_value():
    page = b"""<P ID=locContactAdmin>Help<DL><DT ID=locDispLabel>Disposition:<DD>\t\t<LocID ID=locDisp>5 - (unknown)</LocID>
    <DT ID=locDispMsgLabel>Message:<DD>\t\tTaken Under Submission<DT ID=locResultLabel>Result:
    <DD>\t\tThe operation completed successfully. 0x0 (WIN32: 0)</DL> 9"""
    verdict = read(page)
    assert (verdict.kind, verdict.code) == (Kind.PENDING, None)
    assert verdict.text.startswith("Taken Under Submission")


def error(**values):
    rows = "".join(f"<DT ID=loc{name}Label>x<DD>\t\t{value}" for name, value in values.items())
    return read(f"<P ID=locContactAdmin>x</P><DL>{rows}</DL>".encode())


def test_the_last_status_goes_before_result_and_message_and_the_named_form_before_a_bare_one():
    told = error(
        Disp="2 - (unknown)", DispMsg="Denied 0x80094012, x", Result="x 0x0 (WIN32: 0)",
        LastStat="see 0x80070057, x 0x80094014 (-2146877420 CERTSRV_E_ADMIN_DENIED_REQUEST)",
    )  # fmt: skip
    assert (told.kind, told.code) == (Kind.DENIED, 0x80094014)
    assert error(DispMsg="Denied 0x80094012, x").code == 0x80094012
    assert error(Result="x 0x80094004 (-2146877436)").code == 0x80094004


def test_a_denial_on_an_error_page_goes_before_the_disposition_that_would_have_it_wait():
    assert error(Disp="5 - (unknown)", LastStat="x 0x80094014 (-2146877420)").kind is Kind.ERROR
    assert error(Disp="6 - (unknown)").kind is Kind.REVOKED
    assert error(Disp="2 - (unknown)", LastStat="x 0xA0001234 (-1610608076)").kind is Kind.DENIED
    assert error(Disp="0 - x", Result="x 0x800706BE (-2147023170)").kind is Kind.ERROR
    assert error(Disp="7 - x").kind is Kind.ERROR
    assert error(Disp="x").kind is Kind.ERROR
    assert error(DispMsg="The endpoint 0x16c9a0d6 x").code == 0x16C9A0D6


def test_a_certificate_that_was_revoked():
    assert read(b"<P ID=locIssRev>Request 44 is revoked</P>") == Verdict(
        Kind.REVOKED, "44", None, "Request 44 is revoked"
    )


@pytest.mark.parametrize("page", [b"", b"\xff\xfe\0", b"<html>401</html>", b"<P ID=locInfoReqID>5</P>", b"[]"])
def test_what_is_no_page_of_the_ca_says_nothing(page):
    assert read(page).kind is Kind.NONE


@given(st.binary(max_size=400) | st.text(alphabet='<>pPdDtT="locID 0x8&;\n', max_size=300).map(str.encode))
def test_no_page_is_too_odd_to_be_read(page):
    assert isinstance(read(page), Verdict)
    options_in(page)
    ca_name_in(page)


def test_control_characters_and_endless_texts_are_cut():
    verdict = read(f"<P ID=locDenied></P><P ID=locInfoReqIDandReason>8 \x07{'x' * 5000}</P>".encode())
    assert len(verdict.text) <= 1000
    assert verdict.text.isprintable()


def test_the_newest_ca_certificate_and_the_cas_name():
    assert renewals_in(b"<SCRIPT>\tvar nRenewals=2;\r\n</SCRIPT>") == 2
    assert renewals_in(b"nRenewals 2") is None
    heading = b"<TD><LocID ID=locMSCertSrv><B>AD CS</B> &nbsp;--&nbsp; Example &amp; Sons CA -- 2 &nbsp;</LocID></TD>"
    assert ca_name_in(heading) == "Example & Sons CA -- 2"
    assert ca_name_in(b"<TD>x</TD>") == ""


def test_templates_are_looked_for_as_words_wherever_they_stand():
    page = b"<SELECT><OPTION VALUE=\"E;WebServer2;1\">Web Server<OPTION VALUE='Other'>Other One</SELECT>"
    assert options_in(page) == [{"E", "WebServer2", "1", "Web", "Server"}, {"Other", "One"}]
    assert options_in(b"<SELECT></SELECT><P>x</P>") == []
    assert options_in(b"<P>x</P>") is None
