"""Java keystores in the format JKS, for Java that reads no PKCS#12. Written here; no keytool is needed."""
