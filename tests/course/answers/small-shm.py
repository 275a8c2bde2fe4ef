# %% right: as the remedy says
option = "--shm-size=8g"
# %% right: the host's
option = "--ipc=host"
# %% right: two words
option = "--shm-size 2gb"
# %% right: a whole command
option = "docker run --rm --gpus all --shm-size=16G --ulimit memlock=-1 -it pytorch/pytorch bash"
# %% right: in bytes
option = f"--shm-size={4 * 1024**3}"
# %% right: exactly 1 GiB, in megabytes
option = "--shm-size=1024m"
# %% right: a tmpfs in its place
option = "--tmpfs /dev/shm:rw,exec,size=8g"
# %% right: a mount in its place
option = "--mount type=tmpfs,destination=/dev/shm,tmpfs-size=8g"
# %% right: a tmpfs without a limit
option = "--mount type=tmpfs,target=/dev/shm"
# %% right: the host's folder
option = "-v /dev/shm:/dev/shm"
# %% right: the host's folder, mounted
option = "--mount type=bind,source=/dev/shm,target=/dev/shm"
# %% right: a list of words
option = ["docker", "run", "--shm-size", "8g"]
# %% right: quoted
option = "docker run --shm-size='8g' image"
# %% wrong: more memory -> limit of its own
option = "--memory=128g"
# %% wrong: more memory, short -> limit of its own
option = "docker run -m 128g image"
# %% wrong: what it is already -> too little
option = "--shm-size=64m"
# %% wrong: half of what is asked for -> too little
option = "--shm-size=512m"
# %% wrong: no unit -> reads bytes
option = "--shm-size=8"
# %% wrong: Compose's spelling -> Compose files
option = "shm_size: 8g"
# %% wrong: an underscore -> Compose files
option = "--shm_size=8g"
# %% wrong: one dash -> two dashes
option = "-shm-size=8g"
# %% wrong: no size -> cannot be read
option = "--shm-size=big"
# %% wrong: private -> which word
option = "--ipc=private"
# %% wrong: locked memory -> which one?
option = "--ulimit memlock=-1"
# %% wrong: another folder -> have room
option = "--tmpfs /tmp:size=8g"
# %% wrong: another folder mounted -> have room
option = "-v /data:/data"
# %% wrong: the disk -> have room
option = "--storage-opt size=120G"
# %% wrong: GPUs -> GPUs are there
option = "--gpus all"
# %% wrong: the example -> far too small
option = "--cpus=4"
# %% wrong: a number -> as text
option = 8
# %% wrong: a tmpfs that is too small -> too little
option = "--tmpfs /dev/shm:size=128m"
# %% right: with an equals sign
small_shm = "--shm-size=1g"
# %% right: with a space
small_shm = "--shm-size 2g"
# %% right: megabytes
small_shm = "--shm-size=1024m"
# %% right: GB, which Docker takes as GiB
small_shm = "--shm-size=1GB"
# %% right: GiB
small_shm = "--shm-size=4GiB"
# %% right: bytes
small_shm = f"--shm-size={2**30}"
# %% right: half a gigabyte more
small_shm = "--shm-size=1.5g"
# %% right: the host's own
small_shm = "--ipc=host"
# %% right: the host's own, with a space
small_shm = "--ipc host"
# %% right: in kilobytes
small_shm = "--shm-size=2097152k"
# %% right: quoted for the shell
small_shm = '--shm-size="8g"'
# %% right: NVIDIA's three usual options
small_shm = "--ipc=host --ulimit memlock=-1 --ulimit stack=67108864"
# %% right: the shm size, and a memory limit beside it
small_shm = "--shm-size=1g --memory=64g"
# %% right: the host's directory mounted
small_shm = "-v /dev/shm:/dev/shm"
# %% right: a tmpfs over it
small_shm = "--tmpfs /dev/shm:rw,size=2g"
# %% right: a tmpfs by --mount
small_shm = "--mount type=tmpfs,destination=/dev/shm,tmpfs-size=2147483648"
# %% right: blanks around
small_shm = "  --shm-size=16G\n"
# %% right: inside the whole command
small_shm = "docker run --gpus all --shm-size=1g pytorch/pytorch python train.py"
# %% wrong: what it has already
small_shm = "--shm-size=64m"
# %% wrong: half
small_shm = "--shm-size=512m"
# %% wrong: 1000 MiB is less than 1 GiB -> too little
small_shm = "--shm-size=1000m"
# %% wrong: a decimal gigabyte of bytes -> 1 GiB has 1073741824
small_shm = "--shm-size=1000000000"
# %% wrong: one byte -> reads bytes
small_shm = "--shm-size=1"
# %% wrong: no unit, thought of as megabytes
small_shm = "--shm-size=1024"
# %% wrong: memory
small_shm = "--memory=64g"
# %% wrong: one dash (a second reader's)
small_shm = "-shm-size=1g"
# %% wrong: no dashes
small_shm = "shm-size=1g"
# %% wrong: Compose's spelling (a second reader's)
small_shm = "--shm_size=1g"
# %% wrong: Compose's line
small_shm = "shm_size: 1gb"
# %% wrong: the name cut short -> Nearly the right option
small_shm = "--shm=1g"
# %% wrong: private ipc
small_shm = "--ipc=private"
# %% wrong: shareable ipc, whose room is the same -> which word
small_shm = "--ipc=shareable"
# %% wrong: the host's process ids
small_shm = "--pid=host"
# %% wrong: a tmpfs elsewhere -> have room
small_shm = "--tmpfs /tmp:size=2g"
# %% wrong: a number (a second reader's)
small_shm = 2**30
# %% wrong: locked memory (a second reader's)
small_shm = "--ulimit memlock=-1"
# %% wrong: the disk (a second reader's)
small_shm = "--storage-opt size=120G"
# %% wrong: a blank inside the number -> reads bytes: 1 of them
small_shm = "--shm-size=1 g"
# %% wrong: a comma as decimal point -> cannot be read
small_shm = "--shm-size=1,5g"
# %% wrong: no size (a second reader's)
small_shm = "--shm-size"
# %% wrong: the mount command inside
small_shm = "mount -o remount,size=1G /dev/shm"
# %% right: a list
small_shm = ["--shm-size", "1g"]
# %% wrong: negative -> cannot be read
small_shm = "--shm-size=-1"
# %% wrong: nought, which is the default -> too little
small_shm = "--shm-size=0"
# %% wrong: a word for a number
small_shm = "--shm-size=1gigabyte"
# %% wrong: a large size, but of swap
small_shm = "--memory-swap=1g"


# %% wrong: capitals in the option -> in small letters
small_shm = "--SHM-SIZE=1g"


# %% wrong: enough, then too little, and the last one counts -> still too little
small_shm = "--shm-size=1g --shm-size=64m"


# %% wrong: in a remark only -> example's own option
small_shm = "--cpus=4 # --shm-size=1g"
