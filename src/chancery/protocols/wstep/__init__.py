"""The web services of a Windows CA: certificate enrolment policy (MS-XCEP) and certificate enrolment (MS-WSTEP)."""
