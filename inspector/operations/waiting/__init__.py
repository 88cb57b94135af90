"""Operations on notifications that wait: list them, send one now, cancel one."""
