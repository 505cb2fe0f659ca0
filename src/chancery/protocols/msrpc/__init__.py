"""A Windows CA by its remote procedure calls: enrolment (MS-ICPR, MS-WCCE) and management (MS-CSRA), over TCP."""
