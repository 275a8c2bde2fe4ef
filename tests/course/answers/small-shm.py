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
