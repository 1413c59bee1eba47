"""The program around the library: settings, store, command line, API, pages."""
