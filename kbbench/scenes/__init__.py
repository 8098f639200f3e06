"""Recipe (TOML) -> plan (frozen rows, no audio) -> render -> dataset folder."""
