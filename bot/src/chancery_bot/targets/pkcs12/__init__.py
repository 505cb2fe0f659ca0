"""PKCS#12 keystores (RFC 7292): for Java 9 and later, Tomcat, and whatever imports a PFX."""
