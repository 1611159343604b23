"""Files that tell a container about its pod."""

from behaviour import each
from filetables import check_metadata, downward, follows_metadata


def volume(items, **more):
    return {"name": "v", "downwardAPI": {"items": items} | more}


TABLE = downward("[sig-storage] Downward API volume", volume)
OBJECTS = [follows_metadata(volume, "labels"), follows_metadata(volume, "annotations")]


@each(TABLE)
def test_what_a_container_sees(batch, look):
    batch.check(look)


@each({f"[sig-storage] Downward API volume should update {field} on modification [NodeConformance] [Conformance]": field
       for field in ("labels", "annotations")})
def test_updates(batch, look):
    check_metadata(batch, look)
