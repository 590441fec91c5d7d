"""The type checker that the tests run what has shapes under: beartype, with an int allowed where a float is wanted."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
