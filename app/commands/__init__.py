"""The commands of the command line, one module a group; `app.__main__` lists them."""
