"""What the service and the checking process say to each other: lengths in four bytes, then JSON.

Asked is `[schema, record]`, or `[schema]` where the schema itself is to be judged; the answer is
a list of `[pointer, detail]`.
"""

from __future__ import annotations

import struct

LENGTH = struct.Struct("!I")
ANSWER_BYTES_MAX = 1 << 20
FAULTS_MAX = 100
READY = b"\x01"
