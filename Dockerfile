# docker build -t deepfake-study .
# docker run --rm -v "$PWD/study:/study" deepfake-study --dataset 1 --quick
# docker run --rm -p 8888:8888 -v "$PWD/study:/study" --entrypoint jupyter deepfake-study lab --ip 0.0.0.0 notebooks
FROM python:3.12-slim
# Nothing here runs as root, and what runs leave lies in the mounted folder.
RUN useradd --create-home --uid 1000 study && mkdir /study && chown study /study
WORKDIR /app
# The lock first: it changes less often than the code, and its layer is kept.
COPY requirements.lock .
RUN pip install --no-cache-dir -r requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps -e . && chown -R study /app
USER study
ENV STUDY_HOME=/study
VOLUME /study
ENTRYPOINT ["python", "run_all.py"]
CMD ["--help"]
