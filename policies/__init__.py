"""Information sharing agreements: documents people can read, compiled and decided with Casbin."""
